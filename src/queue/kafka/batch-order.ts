import type { Hour } from '../../model/hour.ts';

/**
 * The order of the batches of a send. A send is written hour by hour, so a later batch may appear first: in the record of an
 * hour that the earlier batch does not have. What must be kept is the order within each hour.
 */
export interface BatchOrder<Batch> {
  /** The next piece of this hour belongs to the batch. */
  note(batch: Batch, hour: Hour): void;
  /** So that the pieces of each hour keep their order. Without those of which that is impossible: a forged send has such. */
  sorted(): Batch[];
}

interface Place<Batch> {
  readonly batch: Batch;
  /** Those whose pieces follow directly, in some hour. One stands here once for each such piece. */
  readonly followers: Place<Batch>[];
  /** Pieces that stand directly before one of this batch, and are not yet in order. */
  before: number;
}

export function createBatchOrder<Batch>(): BatchOrder<Batch> {
  const places = new Map<Batch, Place<Batch>>();
  const lastOf = new Map<Hour, Place<Batch>>();

  function placeOf(batch: Batch): Place<Batch> {
    const known = places.get(batch);
    if (known !== undefined) return known;
    const place: Place<Batch> = { batch, followers: [], before: 0 };
    places.set(batch, place);
    return place;
  }

  return {
    note(batch, hour) {
      const place = placeOf(batch);
      const last = lastOf.get(hour);
      lastOf.set(hour, place);
      if (last === undefined || last === place) return;
      last.followers.push(place);
      place.before++;
    },
    sorted() {
      const ready = Array.from(places.values()).filter(({ before }) => before === 0);
      // It grows while it is walked.
      for (const { followers } of ready) {
        for (const follower of followers) if (--follower.before === 0) ready.push(follower);
      }
      return ready.map(({ batch }) => batch);
    },
  };
}
