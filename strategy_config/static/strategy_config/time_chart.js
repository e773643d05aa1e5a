// A chart over event time, drawn by Chart.js, which the theme loads on every page. Zoom: drag over a part, pinch, the
// wheel with Ctrl, or the buttons. Pan: drag with a finger, or the buttons. A moment is chosen by pointing at it or with
// the slider, which says it in words, too. Gaps in the points stay open.
const { Chart } = window;
const SECOND = 1000;
const LEAST_SPAN_MS = 5 * SECOND;
const LEAST_DRAG_PX = 8;
const STEP = 0.5;
const PX_A_TICK = 85;
const LABEL_PX = 12;
const DAY_SECONDS = 86400;
const TICK_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, DAY_SECONDS];

// "12:00:05", with the day where the span needs it.
export function clock(ms, spanMs = 0) {
  const text = new Date(ms).toISOString();
  return spanMs > DAY_SECONDS * SECOND ? text.slice(5, 19).replace("T", " ") : text.slice(11, 19);
}

// The colours of the page as it is now, by the names of its custom properties.
function colours(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(name).trim();
}

function timeTicks(scale) {
  const seconds = (scale.max - scale.min) / SECOND;
  const most = Math.max(2, scale.width / PX_A_TICK);
  const step =
    TICK_SECONDS.find((each) => seconds / each <= most) ?? Math.ceil(seconds / most / DAY_SECONDS) * DAY_SECONDS;
  scale.ticks = [];
  for (let at = Math.ceil(scale.min / SECOND / step) * step; at * SECOND <= scale.max; at += step) {
    scale.ticks.push({ value: at * SECOND });
  }
}

export class TimeChart {
  // datasets(colour), yScales(colour): of Chart.js, made again when the colours change; the first dataset is the line.
  // describe(point): a point of it in words. fit(points): the limits of y for the points in view, if they are not fixed.
  constructor(root, { datasets, yScales, describe, fit = null, onMark = null }) {
    Object.assign(this, { root, datasets, yScales, describe, fit, onMark });
    this.canvas = root.querySelector("canvas");
    this.slider = root.querySelector("input[type=range]");
    this.output = root.querySelector("output");
    this.points = [];
    this.full = { min: 0, max: LEAST_SPAN_MS };
    this.view = null; // null: everything, whatever comes
    this.chosen = null;
    this.isNewest = true; // the newest moment is chosen, whatever comes
    this.selection = null;
    this.pointers = new Map();
    this.chart = new Chart(this.canvas, {
      type: "line",
      data: { datasets: [] },
      options: this.options(),
      plugins: [{ id: "crosshair", afterDatasetsDraw: (chart) => this.drawOver(chart) }],
    });
    this.wear();
    this.listen();
  }

  options() {
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: "nearest", intersect: true },
      onHover: (_, found) => this.onMark?.(found, false),
      onClick: (_, found) => this.onMark?.(found, true),
      plugins: {
        legend: { display: false },
        tooltip: {
          displayColors: false,
          callbacks: { title: () => "", label: ({ raw }) => raw.words ?? this.describe(raw) },
        },
      },
      scales: {},
    };
  }

  // The colours are drawn, not styled: they are read again when the theme changes.
  wear() {
    const colour = colours(this.root);
    const family = getComputedStyle(this.root).fontFamily;
    const ticks = { color: colour("--muted"), font: { family, size: LABEL_PX } };
    const { chart } = this;
    const old = chart.data.datasets.map((dataset) => dataset.data);
    chart.data.datasets = this.datasets(colour).map((dataset, index) => ({ ...dataset, data: old[index] ?? [] }));
    chart.options.scales = {
      x: {
        type: "linear",
        grid: { color: colour("--line") },
        border: { color: colour("--line") },
        ticks: { ...ticks, maxRotation: 0, callback: (ms) => clock(ms, this.full.max - this.full.min) },
        afterBuildTicks: timeTicks,
      },
      ...this.yScales(colour, ticks),
    };
    this.crosshair = colour("--accent");
    this.draw();
  }

  // points: {x: ms, y}; others: the data of the other datasets.
  show({ points, others = [], min = points[0].x, max = points.at(-1).x }) {
    this.points = points;
    this.full = { min, max: Math.max(max, min + SECOND) };
    this.others = others;
    if (this.view && (this.view.min < min || this.view.max > this.full.max)) this.look(this.view.min, this.view.max);
    this.draw();
    this.slider.max = points.length - 1;
    this.choose(this.isNewest ? points.length - 1 : this.nearest(this.chosen.x));
  }

  draw() {
    const { chart, full, view } = this;
    const { min, max } = view ?? full;
    Object.assign(chart.options.scales.x, { min, max });
    if (this.points.length) {
      const { y } = chart.options.scales;
      if (this.fit) Object.assign(y, this.fit(this.points.filter(({ x }) => min <= x && x <= max)));
      [this.points, ...this.others].forEach((data, index) => {
        // A mark beyond the limits lies at the edge.
        chart.data.datasets[index].data = index
          ? data.map((mark) => ({ ...mark, y: Math.min(Math.max(mark.y, y.min), y.max) }))
          : data;
      });
    }
    chart.update("none");
    for (const button of this.root.querySelectorAll("[data-zoom]"))
      button.disabled = !view && button.dataset.zoom !== "in";
  }

  look(min, max) {
    const span = Math.max(max - min, LEAST_SPAN_MS);
    const { full } = this;
    if (span >= full.max - full.min) {
      this.view = null;
    } else {
      const begin = Math.min(Math.max(min, full.min), full.max - span);
      this.view = { min: begin, max: begin + span };
    }
    this.draw();
  }

  zoom(factor, around = null) {
    const { min, max } = this.view ?? this.full;
    const middle = around ?? (min + max) / 2;
    this.look(middle - (middle - min) * factor, middle + (max - middle) * factor);
  }

  pan(ms) {
    if (this.view) this.look(this.view.min + ms, this.view.max + ms);
  }

  nearest(ms) {
    let best = 0;
    this.points.forEach(({ x }, index) => {
      if (Math.abs(x - ms) < Math.abs(this.points[best].x - ms)) best = index;
    });
    return best;
  }

  choose(index) {
    const last = this.points.length - 1;
    if (last < 0) return;
    const chosen = Math.min(Math.max(index, 0), last);
    this.chosen = this.points[chosen];
    this.isNewest = chosen === last;
    this.slider.value = chosen;
    const words = this.describe(this.chosen);
    if (this.output.textContent !== words) this.output.textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
    this.chart.draw();
  }

  drawOver({ ctx, chartArea: area, scales }) {
    if (!this.chosen) return;
    const x = scales.x.getPixelForValue(this.chosen.x);
    ctx.save();
    ctx.strokeStyle = this.crosshair;
    ctx.fillStyle = this.crosshair;
    if (x >= area.left - 1 && x <= area.right + 1) {
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(x, area.top);
      ctx.lineTo(x, area.bottom);
      ctx.stroke();
    }
    if (this.selection) {
      ctx.globalAlpha = 0.2;
      const [from, to] = this.selection;
      ctx.fillRect(Math.min(from, to), area.top, Math.abs(to - from), area.bottom - area.top);
    }
    ctx.restore();
  }

  at(event) {
    const px = event.clientX - this.canvas.getBoundingClientRect().left;
    return { px, ms: this.chart.scales.x.getValueForPixel(px) };
  }

  listen() {
    const { canvas, slider } = this;
    slider.addEventListener("input", () => this.choose(Number(slider.value)));
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.release(event));
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && !this.selection) this.choose(this.points.length - 1);
    });
    canvas.addEventListener("dblclick", () => this.look(this.full.min, this.full.max));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, this.at(event).ms);
      },
      { passive: false },
    );
    this.root.addEventListener("click", (event) => {
      const step = event.target.closest("[data-zoom]")?.dataset.zoom;
      const span = (this.view ?? this.full).max - (this.view ?? this.full).min;
      if (step === "in") this.zoom(STEP);
      if (step === "out") this.zoom(1 / STEP);
      if (step === "earlier") this.pan(-span * STEP);
      if (step === "later") this.pan(span * STEP);
      if (step === "all") this.look(this.full.min, this.full.max);
    });
    new MutationObserver(() => this.wear()).observe(document.documentElement, { attributeFilter: ["class"] });
  }

  press(event) {
    const { px } = this.at(event);
    this.pointers.set(event.pointerId, px);
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.selection = [px, px];
  }

  move(event) {
    const { px, ms } = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (this.selection) this.selection[1] = px;
    if (before === undefined || event.pointerType === "mouse") {
      this.choose(this.nearest(ms));
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    const { x } = this.chart.scales;
    if (other !== undefined) {
      const factor = Math.abs(before - other) / Math.max(1, Math.abs(px - other));
      this.zoom(Math.min(Math.max(factor, STEP), 1 / STEP), x.getValueForPixel(other));
    } else if (this.view) {
      this.pan(x.getValueForPixel(before) - x.getValueForPixel(px));
    } else {
      this.choose(this.nearest(ms));
    }
    this.pointers.set(event.pointerId, px);
  }

  release(event) {
    if (event.pointerType !== "mouse" && this.pointers.size === 1) this.choose(this.nearest(this.at(event).ms));
    this.pointers.delete(event.pointerId);
    if (!this.selection) return;
    const [from, to] = this.selection.map((px) => this.chart.scales.x.getValueForPixel(px));
    const isDrag = Math.abs(this.selection[1] - this.selection[0]) >= LEAST_DRAG_PX;
    this.selection = null;
    if (isDrag) this.look(Math.min(from, to), Math.max(from, to));
    else this.chart.draw();
  }
}
