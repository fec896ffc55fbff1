import type { Config } from '../config/config.ts';
import type { INPUT_FORMATS } from '../config/schema.ts';

type AnyInput = Config['inputs'][number];

/** Of an input that takes frames: any but files. */
export type InputConfig = AnyInput & {
  readonly type: Exclude<AnyInput['type'], 'file'>;
  readonly format: (typeof INPUT_FORMATS)[number];
};

/** The check of the configuration has seen to it that only files have the formats of files. */
export function takesFrames(input: AnyInput): input is InputConfig {
  return input.type !== 'file';
}
