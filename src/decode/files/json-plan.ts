import type { FieldPair } from '../../model/field-map.ts';
import { viewOf } from './access/line-bytes.ts';
import type { Meaning, ValueName, ValueSources } from './access-values.ts';
import { MemberTree } from './member-tree.ts';

/** What a line of JSON is read by. */
export interface JsonPlan {
  /** Where the values stand. */
  readonly sources: ValueSources;
  readonly meaning: Meaning;
  /** Further fields as they are stored. Their names differ from those of the values. */
  readonly extras: readonly FieldPair[];
  /** Each is there, and no object or list. */
  readonly needs: readonly FieldPair[];
  /** Of each group something is absent. */
  readonly foreign: readonly (readonly FieldPair[])[];
}

/** The ids in the tree of the sources of one value, the first that counts first. */
export type Sources = Int32Array;

/** A stored field: `,"client":`, and where its value comes from. */
export interface PlannedField {
  readonly lead: DataView;
  readonly sources: Sources;
}

export type CompiledPlan = ReturnType<typeof compilePlan>;

/** Bytes of a stored line beside its values: the names of all fields, the time, and numbers that are written again. */
const OVERHEAD = 512;

/** The same for bytes: all values that a plan asks for in one tree. */
export function compilePlan({ sources, extras, needs, foreign }: JsonPlan) {
  const tree = new MemberTree();
  const uses: number[] = [];
  const sourcesOf = (pair: FieldPair | undefined): Sources =>
    Int32Array.from(pair?.sources ?? [], ({ steps }) => tree.add(steps));
  const planField = (name: string, pair: FieldPair | undefined): PlannedField => {
    const ids = sourcesOf(pair);
    for (const id of ids) uses[id] = (uses[id] ?? 0) + 1;
    return { lead: viewOf(Buffer.from(`,${JSON.stringify(name)}:`)), sources: ids };
  };
  const field = (name: ValueName, stored: string = name) => planField(stored, sources[name]);
  const plan = {
    tree,
    timestamp: field('timestamp').sources,
    path: field('path').sources,
    /** The path would be made of these as well. */
    partsOfPath: [sourcesOf(sources.request), sourcesOf(sources.query)],
    userAgent: field('userAgent').sources,
    client: field('client'),
    user: field('user'),
    host: field('host'),
    method: field('method'),
    protocol: field('protocol'),
    status: field('status'),
    bytes: field('bytes'),
    referrer: field('referrer'),
    duration: field('duration', 'durationSeconds'),
    rest: field('rest'),
    extras: extras.map((pair) => planField(pair.target, pair)),
    needs: needs.map(sourcesOf),
    foreign: foreign.map((pairs) => pairs.map(sourcesOf)),
  };
  return {
    ...plan,
    overhead: plan.extras.reduce((sum, { lead }) => sum + lead.byteLength, OVERHEAD),
    /** Fields that one value may come into, at most. */
    copies: Math.max(1, ...uses.filter((count) => count > 0)),
  };
}
