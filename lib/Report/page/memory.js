// Memory of one rank over time, and the peaks of all ranks.

const memoryHeight = 150;

class MemoryChart extends Chart {
  constructor(app, schedule) {
    super(app, 'memory', `Memory of ${schedule.name} over time`);
    this.schedule = schedule;
    this.memory = schedule.memory;
    this.rank = Math.max(0, this.memory.peakRank);
    this.peaks = new PeakChart(app, schedule, this);
    this.choice = element('select', { 'aria-label': 'Rank', onchange: () => this.show(Number(this.choice.value)) });
    for (let rank = 0; rank < schedule.ranks; ++rank)
      this.choice.append(element('option', { value: rank }, `rank ${rank}: peak ${bytes(this.memory.ranks[rank].peak)}`));
    this.choice.value = this.rank;
    const legend = element('div', { class: 'memory-legend' });
    this.colours = this.memory.classes.map(classColour);
    this.memory.classes.forEach((name, i) => {
      if (this.memory.ranks.some((rank) => rank.values.some((value, j) => j % this.memory.classes.length === i && value > 0)))
        legend.append(element('span', {}, element('i', { class: 'swatch', style: { background: this.colours[i] } }), name));
    });
    this.head = element('div', { class: 'memory-head' }, element('h3', {}, 'Memory'), this.choice, legend);
    this.parts = [this.head, this.canvas, this.peaks.canvas];
  }

  show(rank) {
    this.rank = rank;
    this.choice.value = rank;
    this.app.redraw();
  }

  /** Bytes at the top of the chart: the same for all schedules, so that they compare. */
  y(value) {
    return memoryHeight - 6 - (value / this.app.memoryTop) * (memoryHeight - 22);
  }

  draw() {
    if (!this.begin(memoryHeight)) return;
    const { colours, memoryTop } = this.app;
    const unit = Math.pow(1024, Math.floor(Math.log(Math.max(1, memoryTop)) / Math.log(1024)));
    for (const value of ticksBetween(0, memoryTop / unit, 5).values.map((v) => v * unit)) {
      const y = Math.round(this.y(value)) + 0.5;
      this.context.fillStyle = colours.line;
      this.context.fillRect(gutter, y - 0.5, this.plotWidth, 1);
      this.text(bytes(value), gutter - 5, y, colours.muted, 'right');
    }
    this.clipToPlot(0, memoryHeight);
    this.drawAreas();
    this.drawPeak();
    this.context.restore();
    const { limit } = this.memory;
    if (limit !== null && limit <= memoryTop) {
      this.dashed(gutter, this.y(limit), gutter + this.plotWidth, this.y(limit), colours.limit);
      this.text(`limit ${bytes(limit)}`, gutter + 6, this.y(limit) - 8, colours.limit);
    }
    this.peaks.draw();
  }

  /** In each pixel the step that holds most. */
  drawAreas() {
    const { times, values } = this.memory.ranks[this.rank];
    const classes = this.memory.classes.length;
    const { start, end } = this.app.window;
    const pixels = Math.ceil(this.plotWidth);
    const steps = new Int32Array(pixels).fill(-1);
    const most = new Float64Array(pixels).fill(-1);
    for (let i = this.memory.stepAt(this.rank, start); i < times.length && times[i] <= end; ++i) {
      const until = i + 1 < times.length ? times[i + 1] : this.schedule.makespan;
      if (until <= times[i] && i + 1 < times.length) continue;
      let sum = 0;
      for (let c = 0; c < classes; ++c) sum += values[i * classes + c];
      const left = Math.max(0, Math.floor(this.x(times[i]) - gutter));
      const right = Math.min(pixels, Math.ceil(this.x(until) - gutter));
      for (let pixel = left; pixel < right; ++pixel)
        if (sum > most[pixel]) {
          most[pixel] = sum;
          steps[pixel] = i;
        }
    }
    for (let c = 0; c < classes; ++c) {
      this.context.fillStyle = this.colours[c];
      for (let pixel = 0, run = 1; pixel < pixels; pixel += run, run = 1) {
        if (steps[pixel] < 0) continue;
        while (pixel + run < pixels && steps[pixel + run] === steps[pixel]) ++run;
        let below = 0;
        for (let b = 0; b < c; ++b) below += values[steps[pixel] * classes + b];
        const top = this.y(below + values[steps[pixel] * classes + c]);
        this.context.fillRect(gutter + pixel, top, run, this.y(below) - top);
      }
    }
  }

  drawPeak() {
    const { peak, peakTime } = this.memory.ranks[this.rank];
    if (!(peak > 0)) return;
    const [x, y] = [this.x(peakTime), this.y(peak)];
    if (x < gutter - 1 || x > this.width) return;
    this.context.beginPath();
    this.context.arc(x, y, 4, 0, 2 * Math.PI);
    this.context.fillStyle = this.app.colours.text;
    this.context.fill();
    this.context.strokeStyle = this.app.colours.card;
    this.context.lineWidth = 1.5;
    this.context.stroke();
    const near = x > this.width - 130;
    this.text(`peak ${bytes(peak)}`, near ? x - 8 : x + 8, Math.max(8, y - 8), this.app.colours.text, near ? 'right' : 'left');
  }

  describeAt(time) {
    const { values } = this.memory.ranks[this.rank];
    const classes = this.memory.classes.length;
    const step = this.memory.stepAt(this.rank, time);
    return describeBytes(`rank ${this.rank} at ${seconds(time)}`, this.memory.classes, values.subarray(step * classes, (step + 1) * classes));
  }
}

function describeBytes(title, classes, values) {
  const total = values.reduce((sum, value) => sum + value, 0);
  const lines = classes.map((name, i) => [name, values[i]]).filter(([, value]) => value > 0);
  return [`${title}: ${bytes(total)}`, ...lines.map(([name, value]) => `${name}: ${bytes(value)}`)].join('\n');
}

/** A bar for each rank, by class at the rank's peak; a click shows the rank. */
class PeakChart extends Chart {
  constructor(app, schedule, chart) {
    super(app, 'peaks', `Peak memory of each rank of ${schedule.name}`);
    this.schedule = schedule;
    this.chart = chart;
    this.canvas.addEventListener('click', (event) => {
      const rank = this.rankAt(event.offsetX);
      if (rank >= 0) chart.show(rank);
    });
  }

  get barWidth() {
    return Math.min(60, this.plotWidth / this.schedule.ranks);
  }
  rankAt(x) {
    const rank = Math.floor((x - gutter) / this.barWidth);
    return rank >= 0 && rank < this.schedule.ranks ? rank : -1;
  }

  draw() {
    const height = 74;
    if (!this.begin(height)) return;
    const { colours, memoryTop } = this.app;
    const full = height - 26;
    const y = (value) => height - 16 - (value / memoryTop) * full;
    this.text('peaks', gutter - 5, height - 16 - full / 2, colours.muted, 'right');
    const every = [1, 2, 4, 8, 16, 32, 64, 128, 256].find((n) => n * this.barWidth >= 20) ?? 512;
    const gap = this.barWidth > 5 ? 2 : 0;
    this.chart.memory.ranks.forEach(({ atPeak }, rank) => {
      const x = gutter + rank * this.barWidth;
      let below = 0;
      atPeak.forEach((value, i) => {
        this.context.fillStyle = this.chart.colours[i];
        this.context.fillRect(x, y(below + value), Math.max(0.5, this.barWidth - gap), y(below) - y(below + value));
        below += value;
      });
      if (rank === this.chart.rank) {
        this.context.strokeStyle = colours.text;
        this.context.lineWidth = 1.5;
        this.context.strokeRect(x - 1, y(below) - 1, this.barWidth - gap + 2, y(0) - y(below) + 2);
      }
      if (rank % every === 0)
        this.text(String(rank), x + (this.barWidth - gap) / 2, height - 7, rank === this.chart.rank ? colours.text : colours.muted, 'center');
    });
    const { limit } = this.chart.memory;
    if (limit !== null && limit <= memoryTop)
      this.dashed(gutter, y(limit), gutter + this.barWidth * this.schedule.ranks, y(limit), colours.limit);
  }

  describeAt(x) {
    const rank = this.rankAt(x);
    if (rank < 0) return null;
    const { peakTime, atPeak } = this.chart.memory.ranks[rank];
    return describeBytes(`rank ${rank}, most at ${seconds(peakTime)}`, this.chart.memory.classes, atPeak);
  }
}
