// Puts the page together.

class App {
  constructor(meta, schedules) {
    this.schedules = schedules;
    this.window = new TimeWindow(Math.max(...schedules.map((schedule) => schedule.makespan)));
    this.window.listeners.push(() => this.redraw());
    this.hidden = new Array(12).fill(false);
    this.selected = null;
    this.critical = false;
    this.graphs = new Map();
    const ranks = Math.max(...schedules.map((schedule) => schedule.ranks));
    this.rowHeight = Math.min(32, Math.max(ranks <= 128 ? 8 : 4, Math.floor((schedules.length > 1 ? 300 : 460) / ranks)));
    const memories = schedules.map((schedule) => schedule.memory).filter((memory) => memory);
    const peak = Math.max(1, ...memories.map((memory) => memory.peak));
    // A limit far above what is used would flatten the picture.
    const limit = Math.max(0, ...memories.map((memory) => memory.limit ?? 0));
    this.memoryTop = limit <= 1.8 * peak ? Math.max(peak, limit) : peak;
    this.colours = themeColours();
    this.panels = schedules.map((schedule) => new Panel(this, schedule));
    document.getElementById('comparison').append(comparisonTable(schedules));
    document.getElementById('schedules').append(...this.panels.map((panel) => panel.card));
    this.addLegend();
    this.addControls();
    window.addEventListener('resize', () => this.redraw());
  }

  graphOf(schedule) {
    if (!this.graphs.has(schedule)) this.graphs.set(schedule, new Graph(schedule));
    return this.graphs.get(schedule);
  }

  /** Draws everything soon, once however often it is asked for. */
  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => this.drawNow());
  }
  drawNow() {
    this.pending = false;
    for (const panel of this.panels) panel.draw();
    ++this.frames;
  }
  frames = 0;

  select(schedule, id, reveal = false) {
    this.selected = id >= 0 ? { schedule, id } : null;
    if (reveal && id >= 0) {
      this.window.reveal(schedule.start[id], schedule.end[id]);
      this.panels.find((panel) => panel.schedule === schedule).timeline.revealRank(schedule.rankOf(id));
    }
    this.redraw();
  }

  /** The selected action's neighbour on its rank. */
  selectNext(step) {
    if (!this.selected) return;
    const { schedule, id } = this.selected;
    const rank = schedule.rankOf(id);
    const next = id + step;
    if (next >= schedule.first[rank] && next < schedule.first[rank + 1]) this.select(schedule, next, true);
  }

  setRowHeight(height) {
    this.rowHeight = Math.min(48, Math.max(3, height));
    this.redraw();
  }

  do(what) {
    if (what === 'in') this.window.zoom(1 / 1.6);
    else if (what === 'out') this.window.zoom(1.6);
    else if (what === 'fit') this.window.fit();
    else if (what === 'taller') this.setRowHeight(Math.ceil(this.rowHeight * 1.3));
    else if (what === 'shorter') this.setRowHeight(Math.floor(this.rowHeight / 1.3));
    else if (what === 'critical') {
      this.critical = !this.critical;
      document.getElementById('critical').setAttribute('aria-pressed', this.critical);
      this.redraw();
    }
  }

  addLegend() {
    const legend = document.getElementById('legend');
    const kinds = [...new Set(this.schedules.flatMap((schedule) => [...new Set(schedule.kind)]))].sort((a, b) => a - b);
    for (const kind of kinds) {
      const swatch = element('i', { class: 'swatch', style: { background: kindColours[kind] } });
      const button = element('button', { type: 'button', 'aria-pressed': 'true', title: 'Show or hide' }, swatch);
      button.append(element('b', {}, this.schedules[0].meta.kinds[kind]), kindTitles[kind]);
      button.addEventListener('click', () => {
        this.hidden[kind] = !this.hidden[kind];
        button.setAttribute('aria-pressed', !this.hidden[kind]);
        this.redraw();
      });
      legend.append(button);
    }
    legend.append(element('span', { class: 'legend-idle' }, element('i', { class: 'swatch idle' }), 'idle'));
  }

  addControls() {
    for (const button of document.querySelectorAll('[data-do]'))
      button.addEventListener('click', () => this.do(button.dataset.do));
    const keys = {
      '+': 'in', '=': 'in', '-': 'out', '_': 'out', '0': 'fit', 'Home': 'fit', '[': 'shorter', ']': 'taller', 'c': 'critical',
    };
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
      if (keys[event.key]) this.do(keys[event.key]);
      else if (event.key === 'ArrowLeft') this.window.pan(-0.15);
      else if (event.key === 'ArrowRight') this.window.pan(0.15);
      else if (event.key === ',') this.selectNext(-1);
      else if (event.key === '.') this.selectNext(1);
      else if (event.key === 'Escape') this.select(null, -1);
      else return;
      event.preventDefault();
    });
    const button = document.getElementById('theme');
    button.addEventListener('click', () => this.setTheme(theme() === 'dark' ? 'light' : 'dark'));
    let before;
    window.addEventListener('beforeprint', () => {
      before = theme();
      this.setTheme('light');
      this.drawNow();
    });
    window.addEventListener('afterprint', () => this.setTheme(before));
    this.setTheme(theme());
  }

  setTheme(name) {
    document.documentElement.dataset.theme = name;
    document.getElementById('theme').textContent = name === 'dark' ? 'Light' : 'Dark';
    this.colours = themeColours();
    this.redraw();
  }
}

function theme() {
  return document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

async function open() {
  const status = document.getElementById('status');
  try {
    const meta = JSON.parse(document.getElementById('meta').textContent);
    const texts = [...document.querySelectorAll('script.columns')];
    const schedules = [];
    for (let i = 0; i < meta.schedules.length; ++i) {
      schedules.push(await Schedule.read(meta.schedules[i], texts[i].textContent));
      texts[i].remove();
    }
    document.documentElement.dataset.theme = theme();
    const app = new App(meta, schedules);
    app.drawNow();
    status.textContent = '';
    return app;
  } catch (error) {
    status.textContent = `This report cannot be shown: ${error.message}`;
    status.className = 'error';
    throw error;
  }
}

const opened = open();
