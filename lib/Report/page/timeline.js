// The timeline of all ranks of one schedule.

class Timeline extends Chart {
  constructor(app, schedule) {
    super(app, 'timeline', `Timeline of ${schedule.name}`);
    this.schedule = schedule;
    this.density = new Density(schedule);
    this.scroll = 0;
    this.image = document.createElement('canvas');
    this.idle = [];
    for (let rank = 0; rank < schedule.ranks; ++rank) {
      const work = schedule.workOf(rank).reduce((sum, s) => sum + s, 0);
      this.idle.push(schedule.makespan > 0 ? Math.max(0, 1 - work / schedule.makespan) : 0);
    }
  }

  get rowHeight() {
    return this.app.rowHeight;
  }
  /** A row without the gap below it. */
  get barHeight() {
    return this.rowHeight - (this.rowHeight >= 16 ? 2 : this.rowHeight >= 6 ? 1 : 0);
  }
  /** Rows that do not fit are scrolled to. */
  get rowsHeight() {
    return Math.min(this.schedule.ranks * this.rowHeight, 660);
  }
  rowTop(rank) {
    return axisHeight + rank * this.rowHeight - this.scroll;
  }
  rankAt(y) {
    if (y < axisHeight || y >= axisHeight + this.rowsHeight) return -1;
    const rank = Math.floor((y - axisHeight + this.scroll) / this.rowHeight);
    return rank >= 0 && rank < this.schedule.ranks ? rank : -1;
  }
  scrollBy(pixels) {
    const most = Math.max(0, this.schedule.ranks * this.rowHeight - this.rowsHeight);
    const before = this.scroll;
    this.scroll = Math.min(most, Math.max(0, this.scroll + pixels));
    if (this.scroll !== before) this.app.redraw();
    return this.scroll !== before;
  }
  revealRank(rank) {
    const top = rank * this.rowHeight;
    if (top < this.scroll) this.scrollBy(top - this.scroll);
    else if (top + this.rowHeight > this.scroll + this.rowsHeight)
      this.scrollBy(top + this.rowHeight - this.scroll - this.rowsHeight);
  }

  /** The action under a point of the canvas, or -1. */
  actionAt(x, y) {
    const rank = this.rankAt(y);
    if (rank < 0 || x < gutter) return -1;
    const id = this.schedule.actionAt(rank, this.timeAt(x));
    return id >= 0 && !this.app.hidden[this.schedule.kind[id]] ? id : -1;
  }

  /** Where an action is drawn: left, top, width, height in the canvas. */
  rectOf(id) {
    const x = this.x(this.schedule.start[id]);
    return [x, this.rowTop(this.schedule.rankOf(id)), this.x(this.schedule.end[id]) - x, this.barHeight];
  }

  draw() {
    this.scrollBy(0);
    const bottom = axisHeight + this.rowsHeight;
    if (!this.begin(bottom + 2)) return;
    const firstRank = Math.max(0, Math.floor(this.scroll / this.rowHeight));
    const lastRank = Math.min(this.schedule.ranks - 1, Math.ceil((this.scroll + this.rowsHeight) / this.rowHeight) - 1);
    this.drawGutter(firstRank, lastRank);
    this.clipToPlot(axisHeight, this.rowsHeight);
    this.drawRows(firstRank, lastRank);
    this.context.restore();
    this.drawTimeAxis(axisHeight, axisHeight);
    this.clipToPlot(0, bottom);
    this.drawMarks(bottom);
    this.context.restore();
    this.clipToPlot(axisHeight, this.rowsHeight);
    if (this.app.critical) drawCriticalPath(this);
    if (this.app.selected?.schedule === this.schedule) drawLinks(this, this.app.selected.id);
    this.context.restore();
  }

  drawGutter(firstRank, lastRank) {
    const every = [1, 2, 4, 8, 16, 32, 64, 128, 256].find((n) => n * this.rowHeight >= 12) ?? 512;
    this.context.save();
    this.context.beginPath();
    this.context.rect(0, axisHeight, gutter, this.rowsHeight);
    this.context.clip();
    for (let rank = firstRank; rank <= lastRank; ++rank) {
      const y = this.rowTop(rank) + this.rowHeight / 2;
      if (rank % every === 0) this.text(String(rank), 26, y, this.app.colours.text, 'right');
      if (this.rowHeight >= 14)
        this.text(`${Math.round(100 * this.idle[rank])}%`, gutter - 6, y, this.app.colours.muted, 'right');
    }
    this.context.restore();
    this.text('rank', 0, axisHeight - 11, this.app.colours.muted);
    if (this.rowHeight >= 14) this.text('idle', gutter - 6, axisHeight - 11, this.app.colours.muted, 'right');
  }

  drawRows(firstRank, lastRank) {
    const { start, end } = this.app.window;
    const right = Math.min(gutter + this.plotWidth, this.x(this.schedule.makespan));
    const buckets = new Map();
    const labels = [];
    for (let rank = firstRank; rank <= lastRank; ++rank) {
      const top = this.rowTop(rank);
      const height = this.barHeight;
      this.context.fillStyle = this.app.colours.idle;
      if (right > gutter) this.context.fillRect(gutter, top, right - gutter, height);
      const first = this.schedule.firstEndingAfter(rank, start);
      const behind = Math.min(this.schedule.first[rank + 1], this.schedule.firstEndingAfter(rank, end) + 1);
      if (behind - first > this.plotWidth / 4) this.drawDense(rank, top, height);
      else this.collect(first, behind, top, height, buckets, labels);
    }
    for (const [kind, rects] of buckets) {
      this.context.fillStyle = kindColours[kind];
      for (let i = 0; i < rects.length; i += 4) this.context.fillRect(rects[i], rects[i + 1], rects[i + 2], rects[i + 3]);
    }
    for (const [text, x, y, kind] of labels) this.text(text, x, y, kindInk[kind], 'center');
  }

  /** Left edge and width on whole pixels of the device: neighbours that share a pixel would let the ground through. */
  span(left, right) {
    left = Math.round(left * this.ratio) / this.ratio;
    const width = Math.max(1 / this.ratio, Math.round(right * this.ratio) / this.ratio - left);
    // A gap shows where one action ends and the next begins.
    return [left, width > 4 ? width - 1 : width];
  }

  collect(first, behind, top, height, buckets, labels) {
    const { schedule } = this;
    const edge = gutter + this.plotWidth;
    for (let id = first; id < behind; ++id) {
      const kind = schedule.kind[id];
      if (this.app.hidden[kind]) continue;
      const [left, width] = this.span(Math.max(gutter - 2, this.x(schedule.start[id])), Math.min(edge + 2, this.x(schedule.end[id])));
      if (!buckets.has(kind)) buckets.set(kind, []);
      buckets.get(kind).push(left, top, width, height);
      if (height < 10 || width < 15) continue;
      const name = schedule.kindName(id);
      const number = String(schedule.microbatch[id]);
      const chunk = kind < 4 && schedule.chunks > 1 ? `.${schedule.chunk[id]}` : '';
      const text = [`${name}${chunk} ${number}`, number].find((t) => t.length * 6.2 + 4 <= width);
      if (text) labels.push([text, left + width / 2, top + height / 2 + 0.5, kind]);
    }
  }

  /** A row in which many actions share a pixel: each pixel mixes their colours with that of idle time. */
  drawDense(rank, top, height) {
    const pixels = Math.round(this.plotWidth * this.ratio);
    if (this.image.width !== pixels || !this.mixed) {
      this.image.width = pixels;
      this.image.height = 1;
      this.mixed = new Float32Array(4 * pixels);
      this.pixels = this.image.getContext('2d').createImageData(pixels, 1);
    }
    const step = this.app.window.span / pixels;
    this.density.row(rank, this.app.window.start, step, pixels, this.app.hidden, this.mixed);
    const idle = rgbOf(this.app.colours.idle);
    const last = (this.schedule.makespan - this.app.window.start) / step;
    for (let pixel = 0; pixel < pixels; ++pixel) {
      const rest = Math.max(0, 1 - this.mixed[4 * pixel + 3]);
      for (let c = 0; c < 3; ++c) this.pixels.data[4 * pixel + c] = this.mixed[4 * pixel + c] + rest * idle[c];
      this.pixels.data[4 * pixel + 3] = pixel < last ? 255 : 0;
    }
    this.image.getContext('2d').putImageData(this.pixels, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.image, gutter, top, this.plotWidth, height);
  }

  /** The makespan and the bounds below it. */
  drawMarks(bottom) {
    const { figures, makespan } = this.schedule;
    const marks = [
      [makespan, 'makespan', this.app.colours.text],
      [figures.tightBound, 'tight bound', this.app.colours.good],
      [figures.bound, 'bound', this.app.colours.limit],
    ];
    // Names to the left of their lines, above the times; one before another where lines are close.
    let taken = Infinity;
    for (const [time, name, colour] of marks) {
      const x = this.x(time);
      if (x < gutter || x > gutter + this.plotWidth + 0.5) continue;
      this.dashed(x, 17, x, bottom, colour);
      const right = Math.min(x - 4, taken - 8);
      taken = right - this.context.measureText(name).width;
      if (taken >= gutter) this.text(name, right, 9, colour, 'right');
    }
  }
}
