import type { DescMessage } from '@bufbuild/protobuf';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import type { StreamName } from '../../model/stream.ts';
import { PREFIX_BYTES, readSchemaId } from '../wire-format.ts';
import type { MessageTypes } from './message-types.ts';
import { PartError } from './part-error.ts';
import { VarintReader } from './varint.ts';

/*
 * A message may name its schema. The payload of Confluent's wire format is the place of its type in the schema, then the message:
 *
 *   magic byte 0 | schema id u32 | number of indexes | index* | message          varints in zigzag
 *
 * The first index counts the messages of the file, the next those nested in it, and so on. No index, one byte 0, means the first message.
 * Some clients (@kafkajs/confluent-schema-registry) leave even the number of indexes out. Then the first message begins where it would stand.
 * It begins with the tag of a field, which is at least 8: as a number of indexes, 4 or more. So where indexes lead to a message they count,
 * and only a message nested in three others could be meant by both.
 * A message without a schema id cannot begin with 0, since no field has the number 0. Entries of maps do not count as nested messages.
 * Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */
const MAGIC = 0;
const MAX_INDEXES = 32;
const LEAST_TAG = 8;

export interface TargetOptions {
  readonly stream: StreamName;
  readonly schemas: Schemas;
  readonly compile: (schema: RegisteredSchema) => MessageTypes | string;
  /** Full name of the message where its bytes have no schema id; the first of the schema when absent. */
  readonly messageType: string | undefined;
}

/** Finds the types of the messages of one body. */
export class TargetFinder {
  /** The type of the message that was found last. */
  desc: DescMessage | undefined;
  /** Where it begins, after its prefix. */
  start = 0;
  readonly #bytes: Buffer;
  readonly #options: TargetOptions;
  readonly #varints: VarintReader;
  /** Of messages without a schema id: looked up once for a body. */
  #newest: DescMessage | string | undefined;
  /** The schema id that was looked up last, and its messages. */
  #id = -1;
  #types: MessageTypes | string = '';

  constructor(bytes: Buffer, options: TargetOptions) {
    this.#bytes = bytes;
    this.#options = options;
    this.#varints = new VarintReader(bytes);
  }

  /** Finds the message at [start, end) and sets `desc` and `start`; else returns what is wrong: it follows the words `record 3 `. */
  find(start: number, end: number): string | undefined {
    if (this.#bytes[start] !== MAGIC || start === end) {
      this.#newest ??= this.#findNewest();
      if (typeof this.#newest === 'string') return this.#newest;
      this.desc = this.#newest;
      this.start = start;
      return undefined;
    }
    const id = readSchemaId(this.#bytes, start, end);
    if (id === undefined) return `is cut off: byte ${start}: a schema id has 4 bytes`;
    if (id !== this.#id) {
      this.#id = id;
      this.#types = this.#findById(id);
    }
    if (typeof this.#types === 'string') return this.#types;
    const at = start + PREFIX_BYTES;
    const problem = this.#findByIndexes(this.#types, at, end, id);
    const [first] = this.#types.messages;
    if (problem === undefined || first === undefined || (this.#bytes[at] ?? 0) < LEAST_TAG) return problem;
    this.desc = first;
    this.start = at;
    return undefined;
  }

  #findNewest(): DescMessage | string {
    const { stream, schemas, compile, messageType } = this.#options;
    const subject = `${stream}-protobuf`;
    const version = schemas.newest(subject);
    if (version === undefined) return `has no schema: register one as ${subject}, or send its id with the message`;
    const types = compile(version.schema);
    if (typeof types === 'string')
      return `cannot be decoded: the schema of ${subject} version ${version.version}: ${types}`;
    const desc = messageType === undefined ? types.messages[0] : types.find(messageType);
    return desc ?? `cannot be decoded: the schema of ${subject} has no message ${JSON.stringify(messageType)}`;
  }

  #findById(id: number): MessageTypes | string {
    const { schemas, compile } = this.#options;
    const schema = schemas.byId(id);
    if (schema === undefined) return `has the schema id ${id}, which is not registered`;
    const types = compile(schema);
    return typeof types === 'string' ? `cannot be decoded: the schema with the id ${id}: ${types}` : types;
  }

  #findByIndexes(types: MessageTypes, start: number, end: number, id: number): string | undefined {
    try {
      return this.#followIndexes(types, start, end, id);
    } catch (error) {
      if (error instanceof PartError) return `cannot be decoded: byte ${error.offset}: ${error.message}`;
      throw error;
    }
  }

  #followIndexes({ messages }: MessageTypes, start: number, end: number, id: number): string | undefined {
    const count = this.#readIndex(start, end);
    if (count === 0) return this.#at(messages[0], 0, id);
    if (count < 0 || count > MAX_INDEXES) return `cannot be decoded: byte ${start}: ${count} message indexes`;
    let among = messages;
    let desc: DescMessage | undefined;
    let index = 0;
    for (let i = 0; i < count; i++) {
      index = this.#readIndex(this.#varints.at, end);
      desc = among[index];
      if (desc === undefined) break;
      among = desc.nestedMessages;
    }
    return this.#at(desc, index, id);
  }

  #at(desc: DescMessage | undefined, index: number, id: number): string | undefined {
    if (desc === undefined)
      return `cannot be decoded: the schema with the id ${id} has no message with the index ${index}`;
    this.desc = desc;
    this.start = this.#varints.at;
    return undefined;
  }

  #readIndex(start: number, end: number): number {
    const value = this.#varints.readShort(start, end, 'a message index');
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
