const CODES = { SIGTERM: 143, SIGINT: 130 } as const;

export type StopSignal = keyof typeof CODES;

/** The parts of `process` that this needs. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Resolves with the first signal to stop. A second one, of either kind, ends the process at once, with 128 and the number of the
 * signal. The listeners stay: without one, even for a moment, a signal would end the process as the system does, and with another status.
 */
export function stopSignal(source: SignalSource): Promise<StopSignal> {
  return new Promise((resolve) => {
    let isStopping = false;
    const obey = (signal: StopSignal) => {
      if (isStopping) source.exit(CODES[signal]);
      isStopping = true;
      resolve(signal);
    };
    source.on('SIGTERM', () => obey('SIGTERM'));
    source.on('SIGINT', () => obey('SIGINT'));
  });
}
