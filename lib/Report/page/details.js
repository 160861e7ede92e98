// What is said of an action, in the tooltip and below its timeline.

function describeAction(schedule, id) {
  const kind = schedule.kind[id];
  const { start, end } = schedule;
  const lines = [kindTitles[kind], schedule.describe(id), `${seconds(start[id])} – ${seconds(end[id])}, ${seconds(end[id] - start[id])}`];
  const before = id > schedule.first[schedule.rankOf(id)] ? end[id - 1] : 0;
  if (start[id] - before > 1e-9 * schedule.makespan) lines.push(`idle before it: ${seconds(start[id] - before)}`);
  return lines.join('\n');
}

/** The panel below a timeline: the selected action, with a button for each action it is linked to. */
class Details {
  constructor(app, schedule) {
    this.app = app;
    this.schedule = schedule;
    this.panel = element('div', { class: 'details', 'aria-live': 'polite' });
    this.shown = -2;
  }

  draw() {
    const id = this.app.selected?.schedule === this.schedule ? this.app.selected.id : -1;
    if (id === this.shown) return;
    this.shown = id;
    this.panel.replaceChildren();
    if (id < 0) {
      this.panel.append('Click an action to see what it waits for and what waits for it.');
      return;
    }
    const { schedule } = this;
    const graph = this.app.graphOf(schedule);
    const { start, end } = schedule;
    const text = `: ${kindTitles[schedule.kind[id]]}, ${seconds(start[id])} – ${seconds(end[id])} (${seconds(end[id] - start[id])})`;
    this.panel.append(element('div', {}, element('b', {}, schedule.describe(id)), text));
    const inward = graph.producers(id).map((other) => [other, `there at ${seconds(graph.arrival(other, id))}`]);
    const outward = graph.consumers(id).map((other) => [other, `starts at ${seconds(start[other])}`]);
    this.panel.append(this.links('waits for', 'in', inward), this.links('needed by', 'out', outward));
  }

  links(title, className, others) {
    const line = element('div', { class: 'links' }, title, others.length ? null : ' nothing');
    // An action of a model with many parts may have thousands.
    for (const [id, note] of others.slice(0, 24)) {
      const go = () => this.app.select(this.schedule, id, true);
      line.append(element('button', { type: 'button', class: className, onclick: go }, `${this.schedule.describe(id)}, ${note}`));
    }
    if (others.length > 24) line.append(`and ${others.length - 24} more`);
    return line;
  }
}
