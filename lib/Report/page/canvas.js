// What timelines and memory charts share: a sharp canvas, the time axis, positions of times.

const gutter = 60;
const axisHeight = 40;
const font = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

class Chart {
  constructor(app, className, label) {
    this.app = app;
    this.canvas = element('canvas', { class: className, tabindex: 0, 'aria-label': label });
    this.context = this.canvas.getContext('2d');
    this.height = 0;
  }

  /** Fits the canvas to its place and clears it; false where it has none. */
  begin(height) {
    this.width = this.canvas.clientWidth;
    if (!this.width) return false;
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(this.width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
      this.canvas.style.height = `${height}px`;
    }
    this.height = height;
    this.ratio = ratio;
    this.context.setTransform(w / this.width, 0, 0, h / height, 0, 0);
    this.context.fillStyle = this.app.colours.card;
    this.context.fillRect(0, 0, this.width, height);
    this.context.font = font;
    this.context.textBaseline = 'middle';
    return true;
  }

  get plotWidth() {
    return Math.max(1, this.width - gutter - 8);
  }

  x(time) {
    return gutter + ((time - this.app.window.start) / this.app.window.span) * this.plotWidth;
  }

  timeAt(x) {
    return this.app.window.start + ((x - gutter) / this.plotWidth) * this.app.window.span;
  }

  /** Only the plot, without the gutter. */
  clipToPlot(top, height) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(gutter, top, this.plotWidth + 0.5, height);
    this.context.clip();
  }

  text(text, x, y, colour, align = 'left') {
    this.context.fillStyle = colour;
    this.context.textAlign = align;
    this.context.fillText(text, x, y);
  }

  dashed(x0, y0, x1, y1, colour) {
    this.context.strokeStyle = colour;
    this.context.lineWidth = 1.25;
    this.context.setLineDash([5, 4]);
    this.context.beginPath();
    this.context.moveTo(x0, y0);
    this.context.lineTo(x1, y1);
    this.context.stroke();
    this.context.setLineDash([]);
  }

  /** Times above the plot, lines through it. */
  drawTimeAxis(top, bottom) {
    const { start, end, span } = this.app.window;
    const { step, values } = ticksBetween(start, end, this.plotWidth / 90);
    const [unit, name] = secondsUnit(Math.max(Math.abs(start), Math.abs(end)));
    const places = Math.max(0, Math.min(12, -Math.floor(Math.log10(step / unit) + 1e-9)));
    this.context.strokeStyle = this.app.colours.line;
    this.context.lineWidth = 1;
    for (const time of values) {
      const x = Math.round(this.x(time)) + 0.5;
      this.context.beginPath();
      this.context.moveTo(x, top - 5);
      this.context.lineTo(x, bottom);
      this.context.stroke();
      const label = `${(time / unit).toFixed(places)} ${name}`;
      if (x + 40 < this.width || span <= 0) this.text(label, x + 3, top - 11, this.app.colours.muted);
    }
  }
}
