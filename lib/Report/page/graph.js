// What waits for what.

/** Consumers of every action: the producers turned round, made when first asked for. */
class Graph {
  constructor(schedule) {
    this.schedule = schedule;
  }

  producers(id) {
    const { producerBegin, producers } = this.schedule;
    return Array.from(producers.subarray(producerBegin[id], producerBegin[id + 1]));
  }

  consumers(id) {
    if (!this.consumerBegin) this.turnRound();
    return Array.from(this.consumerList.subarray(this.consumerBegin[id], this.consumerBegin[id + 1]));
  }

  turnRound() {
    const { count, producerBegin, producers } = this.schedule;
    const begin = new Uint32Array(count + 1);
    for (let i = 0; i < producers.length; ++i) ++begin[producers[i] + 1];
    for (let id = 0; id < count; ++id) begin[id + 1] += begin[id];
    const next = begin.slice();
    this.consumerList = new Uint32Array(producers.length);
    for (let id = 0; id < count; ++id)
      for (let i = producerBegin[id]; i < producerBegin[id + 1]; ++i) this.consumerList[next[producers[i]]++] = id;
    this.consumerBegin = begin;
  }

  /** When a producer's result is there for a consumer. */
  arrival(producer, consumer) {
    const far = this.schedule.rankOf(producer) !== this.schedule.rankOf(consumer);
    return this.schedule.end[producer] + (far ? this.schedule.transfer : 0);
  }

  /** What an action started right after: the last of its producers, or the action before it on its rank; -1: nothing. */
  cause(id) {
    const { first, end } = this.schedule;
    let cause = -1;
    let latest = -Infinity;
    // Where two are equally late, the one on the same rank: the path changes ranks where it must.
    if (id > first[this.schedule.rankOf(id)]) {
      cause = id - 1;
      latest = end[id - 1];
    }
    const tolerance = 1e-9 * this.schedule.makespan;
    for (const producer of this.producers(id))
      if (this.arrival(producer, id) > latest + tolerance) {
        cause = producer;
        latest = this.arrival(producer, id);
      }
    return cause;
  }

  /** The chain of causes that ends with the schedule's last action, first to last. */
  criticalPath() {
    if (this.path) return this.path;
    let last = 0;
    for (let id = 0; id < this.schedule.count; ++id) if (this.schedule.end[id] > this.schedule.end[last]) last = id;
    this.path = [];
    for (let id = this.schedule.count ? last : -1; id >= 0 && this.path.length < this.schedule.count; id = this.cause(id))
      this.path.push(id);
    return this.path.reverse();
  }
}
