import { FaultError } from './fuzz.ts';

/** No reader needs as much for the inputs of the fuzz, which have at most 256 KiB. A damaged length asks for more. */
const MAX_BYTES = 300 * 1024 * 1024;

/** From now on a buffer larger than that is a fault of whoever asks for it. */
export function guardAllocations(): void {
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const allocate = Buffer[name];
    Buffer[name] = (size: number, ...rest: []) => {
      if (size > MAX_BYTES) throw new FaultError(`a buffer of ${size} bytes is asked for`);
      return allocate.call(Buffer, size, ...rest);
    };
  }
}
