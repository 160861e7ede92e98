// Many actions in one pixel: how much of each kind.

/** Seconds of each kind in equal stretches of time, so that a far view need not visit millions of actions. */
class Density {
  constructor(schedule) {
    this.schedule = schedule;
    const perRank = schedule.count / schedule.ranks;
    this.bins = 0;
    // Few actions are visited as fast as bins.
    if (schedule.count < 200000) return;
    this.kinds = [...new Set(schedule.kind)];
    this.bins = 1;
    while (this.bins < 16384 && this.bins * 4 < perRank) this.bins *= 2;
    this.width = schedule.makespan / this.bins;
    this.seconds = new Float32Array(schedule.ranks * this.bins * this.kinds.length);
    const number = [];
    this.kinds.forEach((kind, i) => (number[kind] = i));
    for (let rank = 0; rank < schedule.ranks; ++rank)
      for (let id = schedule.first[rank]; id < schedule.first[rank + 1]; ++id) this.add(rank, id, number[schedule.kind[id]]);
  }

  add(rank, id, kind) {
    const { start, end } = this.schedule;
    const last = Math.min(this.bins - 1, Math.floor(end[id] / this.width));
    for (let bin = Math.min(last, Math.floor(start[id] / this.width)); bin <= last; ++bin)
      this.seconds[(rank * this.bins + bin) * this.kinds.length + kind] +=
        Math.max(0, Math.min(end[id], (bin + 1) * this.width) - Math.max(start[id], bin * this.width));
  }

  /**
   * The colours of a row of `pixels` pixels, from `from` on, each `step` seconds: red, green, blue and how much of it is
   * busy (0 to 1), premultiplied. Kinds that are hidden do not count.
   */
  row(rank, from, step, pixels, hidden, out) {
    out.fill(0);
    if (this.bins && step > 2 * this.width) this.rowOfBins(rank, from, step, pixels, hidden, out);
    else this.rowOfActions(rank, from, step, pixels, hidden, out);
  }

  rowOfBins(rank, from, step, pixels, hidden, out) {
    const kinds = this.kinds.length;
    const firstBin = Math.max(0, Math.floor(from / this.width));
    const lastBin = Math.min(this.bins - 1, Math.floor((from + step * pixels) / this.width));
    for (let bin = firstBin; bin <= lastBin; ++bin) {
      const pixel = Math.floor(((bin + 0.5) * this.width - from) / step);
      if (pixel < 0 || pixel >= pixels) continue;
      for (let k = 0; k < kinds; ++k) {
        const share = this.seconds[(rank * this.bins + bin) * kinds + k] / step;
        if (share > 0 && !hidden[this.kinds[k]]) this.mix(out, pixel, kindRgb[this.kinds[k]], share);
      }
    }
  }

  rowOfActions(rank, from, step, pixels, hidden, out) {
    const { first, start, end, kind } = this.schedule;
    const until = from + step * pixels;
    for (let id = this.schedule.firstEndingAfter(rank, from); id < first[rank + 1] && start[id] < until; ++id) {
      if (hidden[kind[id]]) continue;
      const left = Math.max(0, (start[id] - from) / step);
      const right = Math.min(pixels, (end[id] - from) / step);
      const rgb = kindRgb[kind[id]];
      for (let pixel = Math.floor(left); pixel < right; ++pixel)
        this.mix(out, pixel, rgb, Math.min(right, pixel + 1) - Math.max(left, pixel));
    }
  }

  mix(out, pixel, rgb, share) {
    out[4 * pixel] += rgb[0] * share;
    out[4 * pixel + 1] += rgb[1] * share;
    out[4 * pixel + 2] += rgb[2] * share;
    out[4 * pixel + 3] += share;
  }
}
