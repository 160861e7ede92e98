// Reads the columns that lib/Report/Encoding.cpp wrote.

/** Variable-length integers one after another; numbers above 32 bits are exact up to 2^53. */
class ColumnReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  next() {
    let byte = this.bytes[this.at++];
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return value;
  }
  nextSigned() {
    const value = this.next();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

async function inflate(base64) {
  const text = atob(base64);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * A schedule: one entry for each action in every array, rank by rank in order. `first[rank]` is the first action of a
 * rank, `first[rank + 1]` is behind its last. An action's index in these arrays is its id.
 */
class Schedule {
  static async read(meta, base64) {
    const all = await inflate(base64);
    const columns = {};
    let begin = 0;
    for (const [name, length] of Object.entries(meta.columns)) {
      columns[name] = new ColumnReader(all.subarray(begin, begin + length));
      begin += length;
    }
    if (begin !== all.length) throw new Error(`${meta.name}: ${all.length} bytes of columns, expected ${begin}`);
    return new Schedule(meta, columns);
  }

  constructor(meta, columns) {
    this.meta = meta;
    this.name = meta.name;
    this.ranks = meta.ranks;
    this.chunks = meta.chunks;
    this.microbatches = meta.microbatches;
    this.transfer = meta.transfer;
    this.figures = meta.figures;
    this.makespan = meta.figures.makespan;
    this.first = new Uint32Array(meta.ranks + 1);
    for (let rank = 0; rank < meta.ranks; ++rank) this.first[rank + 1] = this.first[rank] + meta.counts[rank];
    this.count = this.first[meta.ranks];
    this.kind = new Uint8Array(this.count);
    this.chunk = new Uint16Array(this.count);
    this.microbatch = new Uint32Array(this.count);
    this.unit = new Uint32Array(this.count);
    this.start = new Float64Array(this.count);
    this.end = new Float64Array(this.count);
    this.producerBegin = new Uint32Array(this.count + 1);
    const producers = [];
    for (let rank = 0; rank < meta.ranks; ++rank) this.readRank(rank, columns, producers);
    this.producers = Uint32Array.from(producers);
    this.memory = meta.memory ? new Memory(this, meta.memory, columns) : null;
  }

  readRank(rank, columns, producers) {
    const lasts = new Map();
    let now = 0;
    for (let id = this.first[rank]; id < this.first[rank + 1]; ++id) {
      const kind = (this.kind[id] = columns.kind.next());
      const chunk = kind < 4 ? (this.chunk[id] = columns.chunk.next()) : 0;
      const key = kind * 65536 + chunk;
      let last = lasts.get(key);
      if (!last) lasts.set(key, (last = { microbatch: 0, position: [0, 0, 0, 0] }));
      last.microbatch += columns.microbatch.nextSigned();
      this.microbatch[id] = last.microbatch;
      if (kind >= 4) this.unit[id] = Math.floor(last.microbatch / this.ranks) + columns.unit.nextSigned();
      now += columns.gap.next();
      this.start[id] = now * this.meta.tick;
      now += columns.duration.next();
      this.end[id] = now * this.meta.tick;
      const count = columns.producers.next();
      for (let i = 0; i < count; ++i) {
        const from = rank + columns.rank.nextSigned();
        last.position[i % 4] += columns.position.nextSigned();
        producers.push(this.first[from] + last.position[i % 4]);
      }
      this.producerBegin[id + 1] = producers.length;
    }
  }

  rankOf(id) {
    let low = 0;
    let high = this.ranks;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.first[middle] <= id) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The first action of a rank that ends after `time`, or first[rank + 1]. */
  firstEndingAfter(rank, time) {
    let low = this.first[rank];
    let high = this.first[rank + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[middle] > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The action that a rank runs at `time`, or -1. */
  actionAt(rank, time) {
    const id = this.firstEndingAfter(rank, time);
    return id < this.first[rank + 1] && this.start[id] <= time ? id : -1;
  }

  kindName(id) {
    return this.meta.kinds[this.kind[id]];
  }

  /** As bigmac::planning::describe. */
  describe(id) {
    const what = this.kind[id] < 4 ? `chunk ${this.chunk[id]}` : `unit ${this.unit[id]}`;
    return `${this.kindName(id)}(${what}, microbatch ${this.microbatch[id]}) on rank ${this.rankOf(id)}`;
  }

  /** Seconds of work by kind, of one rank. */
  workOf(rank) {
    const work = new Float64Array(12);
    for (let id = this.first[rank]; id < this.first[rank + 1]; ++id) work[this.kind[id]] += this.end[id] - this.start[id];
    return work;
  }
}

/** Bytes over time. After each step: at `time`, `values` of all classes. */
class Memory {
  constructor(schedule, meta, columns) {
    this.classes = meta.classes;
    this.limit = meta.limit ?? null;
    this.ranks = [];
    for (let rank = 0; rank < schedule.ranks; ++rank)
      this.ranks.push(this.readRank(schedule, rank, meta.base[rank], meta.counts[rank], columns));
    this.peak = Math.max(0, ...this.ranks.map((rank) => rank.peak));
    this.peakRank = this.ranks.findIndex((rank) => rank.peak === this.peak);
  }

  readRank(schedule, rank, base, count, columns) {
    const width = this.classes.length;
    const now = Float64Array.from(base);
    const times = [0];
    const values = [...now];
    const total = () => now.reduce((sum, value) => sum + value, 0);
    let peak = total();
    let peakIndex = 0;
    let slot = 0;
    for (let i = 0; i < count; ++i) {
      const delta = columns.slot.next();
      slot += delta;
      now[columns.class.next()] += columns.change.nextSigned();
      const id = schedule.first[rank] + (slot >> 1);
      const time = slot % 2 ? schedule.end[id] : schedule.start[id];
      // Steps at one place count together: what is released there is not held beside what is taken.
      if (delta === 0 && i > 0) {
        times.pop();
        values.length -= width;
      }
      times.push(time);
      values.push(...now);
    }
    for (let i = 0; i < times.length; ++i) {
      let sum = 0;
      for (let c = 0; c < width; ++c) sum += values[i * width + c];
      if (sum > peak) {
        peak = sum;
        peakIndex = i;
      }
    }
    const atPeak = values.slice(peakIndex * width, (peakIndex + 1) * width);
    return { times: Float64Array.from(times), values: Float64Array.from(values), peak, peakTime: times[peakIndex], atPeak };
  }

  /** The step in force on a rank at `time`. */
  stepAt(rank, time) {
    const { times } = this.ranks[rank];
    let low = 0;
    let high = times.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle;
      else high = middle;
    }
    return low;
  }
}
