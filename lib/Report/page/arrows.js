// What a selected action waits for and what waits for it, and the critical path.

/** Dims everything, then draws these actions again, outlined. */
function lift(timeline, ids, outlines) {
  const { context, app, schedule } = timeline;
  context.fillStyle = app.colours.shade;
  context.fillRect(gutter, 0, timeline.plotWidth, timeline.height);
  ids.forEach((id, i) => {
    const [start, y, w, h] = timeline.rectOf(id);
    if (start + w < gutter || start > timeline.width) return;
    const [x, width] = timeline.span(start, start + w);
    context.fillStyle = kindColours[schedule.kind[id]];
    context.fillRect(x, y, width, h);
    if (outlines?.[i]) {
      context.strokeStyle = outlines[i];
      context.lineWidth = 2;
      context.strokeRect(x - 1, y - 1, width + 2, h + 2);
    }
    const name = `${schedule.kindName(id)} ${schedule.microbatch[id]}`;
    if (h >= 10 && width > name.length * 6.2 + 4)
      timeline.text(name, x + width / 2, y + h / 2 + 0.5, kindInk[schedule.kind[id]], 'center');
  });
}

/** From a producer's end to its consumer's start: dashed while the result travels, then a curve to where it is used. */
function arrow(timeline, producer, consumer, colour) {
  const { context, schedule } = timeline;
  const [px, py, pw, ph] = timeline.rectOf(producer);
  const [cx, cy, , ch] = timeline.rectOf(consumer);
  const [x0, y0, x1, y1] = [px + pw, py + ph / 2, cx, cy + ch / 2];
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.75;
  const same = schedule.rankOf(producer) === schedule.rankOf(consumer);
  const travelled = same ? x0 : Math.min(x1, timeline.x(schedule.end[producer] + schedule.transfer));
  if (travelled - x0 > 2) {
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(travelled, y0);
    context.stroke();
    context.setLineDash([]);
  }
  // On one rank an arch above the row, else from one row to the other.
  const arch = same ? -Math.min(40, 12 + 0.08 * (x1 - x0)) : 0;
  const bend = Math.max(4, Math.min(90, (x1 - travelled) * 0.5));
  const [from, to] = [y0 + arch + 0.2 * (y1 - y0), y1 + arch - 0.2 * (y1 - y0)];
  context.beginPath();
  context.moveTo(travelled, y0);
  context.bezierCurveTo(travelled + bend, from, x1 - bend, to, x1, y1);
  context.stroke();
  const tilt = Math.atan2(y1 - to, bend);
  context.beginPath();
  context.moveTo(x1, y1);
  for (const side of [-0.42, 0.42]) context.lineTo(x1 - 8 * Math.cos(tilt + side), y1 - 8 * Math.sin(tilt + side));
  context.closePath();
  context.fill();
}

function drawLinks(timeline, id) {
  const { app, schedule } = timeline;
  const graph = app.graphOf(schedule);
  const producers = graph.producers(id);
  const consumers = graph.consumers(id);
  const { accent, limit, text } = app.colours;
  const outlines = [...producers.map(() => accent), ...consumers.map(() => limit), text];
  lift(timeline, [...producers, ...consumers, id], outlines);
  for (const producer of producers) arrow(timeline, producer, id, accent);
  for (const consumer of consumers) arrow(timeline, id, consumer, limit);
}

function drawCriticalPath(timeline) {
  const { app, schedule, context } = timeline;
  const { start, end } = app.window;
  const path = app.graphOf(schedule).criticalPath();
  const seen = path.filter((id) => schedule.end[id] >= start && schedule.start[id] <= end);
  lift(timeline, seen);
  context.strokeStyle = app.colours.text;
  context.lineWidth = 1.25;
  context.beginPath();
  for (let i = 1; i < path.length; ++i) {
    const [from, to] = [path[i - 1], path[i]];
    if (schedule.end[to] < start || schedule.start[from] > end) continue;
    const [x0, y0, w0, h0] = timeline.rectOf(from);
    const [x1, y1, , h1] = timeline.rectOf(to);
    context.moveTo(x0 + w0, y0 + h0 / 2);
    context.lineTo(x1, y1 + h1 / 2);
  }
  context.stroke();
}
