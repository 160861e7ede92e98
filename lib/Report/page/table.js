// The comparison of all schedules.

const columns = [
  { title: 'Makespan', value: (s) => s.makespan, text: seconds, best: true, bar: true },
  { title: 'Bound', hint: "The busiest rank's work", value: (s) => s.figures.bound, text: seconds },
  { title: 'Tight bound', hint: 'A proved lower bound with start-up and drain', value: (s) => s.figures.tightBound, text: seconds },
  { title: 'Above bound', hint: 'Makespan over the tight bound', value: (s) => aboveBound(s), text: percent, best: true },
  { title: 'Bubble', hint: 'Idle share of all ranks', value: (s) => s.figures.bubble, text: percent, best: true },
  { title: 'Encoder units', hint: 'Most alive at once', value: (s) => s.figures.encoderUnits, text: String, best: true },
  { title: 'Generator units', hint: 'Most alive at once', value: (s) => s.figures.generatorUnits, text: String, best: true },
  { title: 'LLM microbatches', hint: 'Most held on a rank', value: (s) => s.figures.llmMicrobatches, text: (v) => digits(v), best: true },
  { title: 'Waiting W', hint: 'Most weight gradients waiting on a rank', value: (s) => s.figures.pendingWeightGradients, text: String },
  { title: 'Peak memory', value: (s) => s.memory?.peak, text: bytes, best: true, bar: true },
  { title: 'Actions', value: (s) => s.figures.actions, text: (v) => v.toLocaleString('en') },
];

function aboveBound(schedule) {
  const bound = schedule.figures.tightBound;
  return bound > 0 ? Math.max(0, schedule.makespan / bound - 1) : 0;
}

/** A card with the table. A click on a title sorts by that column, a second one the other way. */
function comparisonTable(schedules) {
  const shown = columns.filter((column) => schedules.some((schedule) => column.value(schedule) !== undefined));
  const body = element('tbody');
  const rows = schedules.map((schedule) => {
    const row = element('tr', {}, element('td', {}, schedule.name));
    for (const column of shown) row.append(cell(column, schedule, schedules));
    return { schedule, row };
  });
  const heads = [element('th', { scope: 'col' })];
  const sortBy = (value, head) => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    for (const other of heads) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const order = (a, b) => (a === b ? 0 : a === undefined ? 1 : b === undefined ? -1 : a < b === down ? 1 : -1);
    rows.sort((a, b) => order(value(a.schedule), value(b.schedule)));
    body.append(...rows.map(({ row }) => row));
  };
  const sortButton = (head, title, value) =>
    head.append(element('button', { type: 'button', onclick: () => sortBy(value, head) }, title));
  sortButton(heads[0], 'Schedule', (schedule) => schedule.name);
  for (const column of shown) {
    const head = element('th', { scope: 'col', title: column.hint });
    sortButton(head, column.title, column.value);
    heads.push(head);
  }
  body.append(...rows.map(({ row }) => row));
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...heads)), body);
  return element('div', { class: 'card scroll' }, table);
}

function cell(column, schedule, schedules) {
  const value = column.value(schedule);
  if (value === undefined) return element('td', {}, '–');
  const values = schedules.map(column.value).filter((v) => v !== undefined);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  // Equal but for rounding is equal.
  const best = column.best && most - least > 1e-9 * most && value - least <= 1e-9 * most;
  const made = element('td', { class: best ? 'best' : null }, column.text(value));
  if (column.bar && schedules.length > 1 && most > 0)
    made.append(element('span', { class: 'bar', style: { width: `${(100 * value) / most}%` } }));
  return made;
}
