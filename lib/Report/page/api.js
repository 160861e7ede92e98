// What a program may ask the page, in the browser's console or in a test: window.bigmac. Schedules, ranks and positions
// in a rank's order count from 0; x and y are pixels of the window's inside.

window.bigmac = {
  /** Resolves when the page is drawn. */
  ready: opened.then((app) => {
    const idOf = (schedule, rank, position) => app.schedules[schedule].first[rank] + position;
    const probe = element('canvas', { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    const panel = (schedule) => app.panels[schedule];
    const action = (schedule, id) => {
      const of = app.schedules[schedule];
      if (id < 0) return null;
      const rank = of.rankOf(id);
      const shown = { rank, position: id - of.first[rank], kind: of.kindName(id), microbatch: of.microbatch[id] };
      if (of.kind[id] < 4) shown.chunk = of.chunk[id];
      else shown.unit = of.unit[id];
      return { ...shown, start: of.start[id], end: of.end[id] };
    };
    Object.assign(window.bigmac, {
      schedules: app.schedules.map((schedule) => schedule.meta),
      frames: () => app.frames,
      view: () => ({ start: app.window.start, end: app.window.end }),
      setView: (start, end) => app.window.set(start, end),
      actionAt: (schedule, rank, time) => action(schedule, app.schedules[schedule].actionAt(rank, time)),
      actions: (schedule, rank) => {
        const { first } = app.schedules[schedule];
        return Array.from({ length: first[rank + 1] - first[rank] }, (_, i) => action(schedule, first[rank] + i));
      },
      producers: (schedule, rank, position) =>
        app.graphOf(app.schedules[schedule]).producers(idOf(schedule, rank, position)).map((id) => action(schedule, id)),
      consumers: (schedule, rank, position) =>
        app.graphOf(app.schedules[schedule]).consumers(idOf(schedule, rank, position)).map((id) => action(schedule, id)),
      criticalPath: (schedule) => app.graphOf(app.schedules[schedule]).criticalPath().map((id) => action(schedule, id)),
      /** Where an action is drawn. */
      rectOf: (schedule, rank, position) => {
        const [x, y, width, height] = panel(schedule).timeline.rectOf(idOf(schedule, rank, position));
        const box = panel(schedule).timeline.canvas.getBoundingClientRect();
        return { x: box.left + x, y: box.top + y, width, height };
      },
      /** The colour that is drawn at a point of a timeline: [red, green, blue]. */
      colourAt: (schedule, x, y) => {
        const { canvas, ratio } = panel(schedule).timeline;
        const box = canvas.getBoundingClientRect();
        probe.drawImage(canvas, Math.floor((x - box.left) * ratio), Math.floor((y - box.top) * ratio), 1, 1, 0, 0, 1, 1);
        return Array.from(probe.getImageData(0, 0, 1, 1).data).slice(0, 3);
      },
      colourOf: (kind) => kindRgb[app.schedules[0].meta.kinds.indexOf(kind)],
      idleColour: () => rgbOf(app.colours.idle),
      selected: () => app.selected && action(app.schedules.indexOf(app.selected.schedule), app.selected.id),
      select: (schedule, rank, position) => app.select(app.schedules[schedule], idOf(schedule, rank, position), true),
      /** Of a rank: peak bytes, when, and [time, bytes of each class ...] after each step. */
      memory: (schedule, rank) => {
        const { memory } = app.schedules[schedule];
        if (!memory) return null;
        const { times, values, peak, peakTime } = memory.ranks[rank];
        const width = memory.classes.length;
        const steps = Array.from(times, (time, i) => [time, ...values.subarray(i * width, (i + 1) * width)]);
        return { classes: memory.classes, limit: memory.limit, peak, peakTime, steps };
      },
    });
  }),
};
