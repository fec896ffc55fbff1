import type { Step } from '../../model/field-map.ts';

/** A value in an object that some source names, and what is wanted inside of it. */
export class WantedValue {
  /** Counted from 0 in the order of their making; the object itself is 0. */
  readonly id: number;
  /** As an object: its wanted members. */
  readonly members: WantedMember[] = [];
  /** As a list: its wanted elements by index. */
  readonly elements: Map<number, WantedValue> = new Map();

  constructor(id: number) {
    this.id = id;
  }

  /** The wanted member whose name is bytes[start, end), which has no escape. */
  find(bytes: Uint8Array, start: number, end: number): WantedValue | undefined {
    const length = end - start;
    const { members } = this;
    for (let i = 0; i < members.length; i++) {
      const { name, value } = members[i] as WantedMember;
      if (name.length === length && equals(bytes, start, name)) return value;
    }
    return undefined;
  }
}

interface WantedMember {
  readonly name: Uint8Array;
  readonly value: WantedValue;
}

/** From the last byte on: names of one object often begin alike. */
function equals(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = name.length - 1; i >= 0; i--) if (bytes[start + i] !== name[i]) return false;
  return true;
}

/** The values that are wanted of an object, as a tree by their names. */
export class MemberTree {
  readonly root = new WantedValue(0);
  /** Values in the tree. */
  size = 1;

  /** The id of the value that the steps lead to. */
  add(steps: readonly Step[]): number {
    let at = this.root;
    for (const step of steps) at = typeof step === 'number' ? this.#element(at, step) : this.#member(at, step);
    return at.id;
  }

  #element({ elements }: WantedValue, index: number): WantedValue {
    const value = elements.get(index) ?? new WantedValue(this.size++);
    elements.set(index, value);
    return value;
  }

  #member({ members }: WantedValue, text: string): WantedValue {
    const name = Buffer.from(text);
    const known = members.find((member) => name.equals(member.name));
    if (known !== undefined) return known.value;
    const value = new WantedValue(this.size++);
    members.push({ name, value });
    return value;
  }
}
