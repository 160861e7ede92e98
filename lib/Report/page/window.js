// The stretch of time that all pictures show.

class TimeWindow {
  constructor(length) {
    this.length = length > 0 ? length : 1;
    this.start = 0;
    this.end = this.length;
    this.listeners = [];
  }

  set(start, end) {
    // Beyond a billionth of the whole, positions are rounding errors.
    const span = Math.min(this.length, Math.max(end - start, this.length * 1e-9));
    const middle = (start + end) / 2;
    start = Math.min(Math.max(0, middle - span / 2), this.length - span);
    if (start === this.start && start + span === this.end) return;
    this.start = start;
    this.end = start + span;
    for (const listener of this.listeners) listener();
  }

  get span() {
    return this.end - this.start;
  }

  /** Shows `factor` times as much, with `time` staying where it is. */
  zoom(factor, time = (this.start + this.end) / 2) {
    const span = Math.min(this.length, Math.max(this.span * factor, this.length * 1e-9));
    const share = (time - this.start) / this.span;
    this.set(time - share * span, time + (1 - share) * span);
  }

  /** By a share of what is shown. */
  pan(share) {
    this.set(this.start + share * this.span, this.end + share * this.span);
  }

  fit() {
    this.set(0, this.length);
  }

  /** Moves so that an interval is seen, zooming out where it is too long. */
  reveal(start, end) {
    if (start >= this.start && end <= this.end) return;
    const span = Math.max(this.span, (end - start) * 1.5);
    const middle = (start + end) / 2;
    this.set(middle - span / 2, middle + span / 2);
  }
}
