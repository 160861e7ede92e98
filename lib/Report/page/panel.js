// One schedule's card: heading, timeline, details, memory; the mouse.

class Panel {
  constructor(app, schedule) {
    this.app = app;
    this.schedule = schedule;
    this.timeline = new Timeline(app, schedule);
    this.details = new Details(app, schedule);
    this.memory = schedule.memory ? new MemoryChart(app, schedule) : null;
    this.card = element('section', { class: 'card', 'aria-label': schedule.name }, this.heading(), this.timeline.canvas, this.details.panel);
    if (this.memory) this.card.append(...this.memory.parts);
    this.listen();
  }

  heading() {
    const { schedule } = this;
    const { figures } = schedule;
    const facts = element('div', { class: 'facts' });
    const fact = (name, value) => facts.append(element('span', {}, `${name} `, element('b', {}, value)));
    fact('makespan', seconds(schedule.makespan));
    fact('bubble', percent(figures.bubble));
    fact('ranks', schedule.ranks);
    fact('chunks', schedule.chunks);
    fact('microbatches', schedule.microbatches);
    if (figures.encoderUnits) fact('encoder units', `${figures.encoderUnits}`);
    if (figures.generatorUnits) fact('generator units', `${figures.generatorUnits}`);
    if (figures.warmupExtra) fact('extra warm-up', `${figures.warmupExtra} forwards`);
    if (schedule.transfer > 0) fact('transfer', seconds(schedule.transfer));
    for (const [name, value] of schedule.meta.notes) fact(name, value);
    return element('div', { class: 'heading' }, element('h2', {}, schedule.name), facts);
  }

  draw() {
    this.timeline.draw();
    this.details.draw();
    this.memory?.draw();
  }

  listen() {
    const { canvas } = this.timeline;
    this.dragAndZoom(canvas, this.timeline, true);
    this.tip(canvas, (x, y) => {
      const id = this.timeline.actionAt(x, y);
      if (id >= 0) return describeAction(this.schedule, id);
      const rank = this.timeline.rankAt(y);
      if (rank < 0) return null;
      if (x < gutter) return `rank ${rank}\nidle ${percent(this.timeline.idle[rank])} of the makespan`;
      return this.timeline.timeAt(x) <= this.schedule.makespan ? `rank ${rank}, ${seconds(this.timeline.timeAt(x))}: idle` : null;
    });
    if (!this.memory) return;
    this.dragAndZoom(this.memory.canvas, this.memory, false);
    this.tip(this.memory.canvas, (x) => (x >= gutter ? this.memory.describeAt(this.memory.timeAt(x)) : null));
    this.tip(this.memory.peaks.canvas, (x) => this.memory.peaks.describeAt(x));
  }

  tip(canvas, textAt) {
    const tooltip = document.getElementById('tooltip');
    canvas.addEventListener('pointermove', (event) => {
      const text = event.buttons ? null : textAt(event.offsetX, event.offsetY);
      tooltip.hidden = !text;
      if (!text) return;
      tooltip.textContent = text;
      const box = tooltip.getBoundingClientRect();
      const left = event.clientX + 16 + box.width > window.innerWidth ? event.clientX - box.width - 12 : event.clientX + 16;
      const top = event.clientY + 18 + box.height > window.innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
      Object.assign(tooltip.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, top)}px` });
    });
    canvas.addEventListener('pointerleave', () => (tooltip.hidden = true));
  }

  dragAndZoom(canvas, chart, selects) {
    const { app } = this;
    let drag = null;
    canvas.addEventListener('wheel', (event) => {
      // In the gutter the wheel scrolls: rows that do not fit, else the page.
      if (event.offsetX < gutter) {
        if (selects && this.timeline.scrollBy(event.deltaY)) event.preventDefault();
        return;
      }
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const [dx, dy] = [event.deltaX * lines, event.deltaY * lines];
      if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) app.window.pan((dx || dy) / chart.plotWidth);
      else app.window.zoom(Math.exp(Math.max(-240, Math.min(240, dy)) * (event.ctrlKey ? 0.01 : 0.002)), chart.timeAt(event.offsetX));
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      drag = { x: event.offsetX, y: event.offsetY, start: app.window.start, scroll: this.timeline.scroll, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!drag) return;
      const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag.moved = true;
      canvas.classList.add('dragging');
      const start = drag.start - (dx / chart.plotWidth) * app.window.span;
      app.window.set(start, start + app.window.span);
      if (selects) this.timeline.scrollBy(drag.scroll - dy - this.timeline.scroll);
    });
    const stop = (event) => {
      if (drag && !drag.moved && selects && event.type === 'pointerup') app.select(this.schedule, this.timeline.actionAt(event.offsetX, event.offsetY));
      drag = null;
      canvas.classList.remove('dragging');
    };
    canvas.addEventListener('pointerup', stop);
    canvas.addEventListener('pointercancel', stop);
  }
}
