const plotHeight = 190, left = 66, right = data.length < 600 ? 16 : 26;
const gauge = {
	lines: (s) => s.lines.map((l) => [l.name, l.colour]),
	values: (s) => s.lines.map((l) => l.values),
	text: (v, s) => amount(v) + ({ bytes: "B", rate: "/s" }[s.unit] ?? ""),
	scale: { range: (u, low, high) => [0, (high || 1) * 1.08] },
	marks: () => {},
	absent: () => "–",
};
const logarithmic = { distr: 3, range: (u, low, high) => (low === null ? [1, 1000] : uPlot.rangeLog(low / 1.2, high * 1.2, 10, true)) };
const kinds = {
	times: {
		lines: (s) => [["p50", "p50"], ["p99", "p99"], ["max", "max"], ...(s.effect.length > 0 ? [["effect p99", "effect"]] : [])],
		values: (s) => [s.p50, s.p99, s.max, ...(s.effect.length > 0 ? [s.effect] : [])].map(positive),
		text: duration,
		splits: (u, axis, low, high) => decades(low, high),
		scale: logarithmic,
		marks: (u, s) => { hung(u, s); stripes(u, s, s.busy, 0); },
		absent: (s, i, line) => (line === 3 ? (s.acked[i] > 0 ? "not seen" : "–") : s.offered[i] > 0 ? "no answer" : "–"),
	},
	rates: {
		lines: () => [["offered", "offered"], ["acked", "acked"], ["errors", "errors"], ["retries", "retries"]],
		values: (s) => [s.offered, s.acked, s.errors, s.retries],
		text: (v) => amount(v) + "/s",
		scale: { range: (u, low, high) => [0, (high || 1) * 1.08] },
		marks: (u, s) => { stripes(u, s, s.limited, 12); stripes(u, s, s.busy, 0); },
		absent: () => "–",
	},
	gauge,
	// A cell is the darker the more answers it counts; the scale is a logarithm. The line behind it has the bound with the most answers.
	heat: {
		lines: () => [["most", "p50"]], line: 0,
		values: (s) => [s.columns.map((c) => (c.length === 0 ? null : s.bounds[c.indexOf(Math.max(...c))]))],
		text: duration,
		splits: (u, axis, low, high) => decades(low, high),
		scale: { distr: 3 },
		range: (s) => [floorOf(s), s.bounds.at(-1)],
		marks: heated,
		absent: () => "no answer",
	},
	percentiles: {
		...gauge, alone: true, values: (s) => s.lines.map((l) => positive(l.values)), text: duration, scale: logarithmic,
		splits: (u, axis, low, high) => decades(low, high), absent: () => "–",
	},
};
function floorOf(s) { return s.bounds[0] / 1.6; }
function heated(u, s) {
	const { ctx, bbox } = u, most = Math.max(1, ...s.columns.flat());
	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
	ctx.clip();
	ctx.fillStyle = colour("p50");
	s.columns.forEach((column, i) => {
		const from = u.valToPos(s.time[i], "x", true), to = u.valToPos(Math.min(s.time[i] + s.step, data.length), "x", true);
		if (to < bbox.left || from > bbox.left + bbox.width) return;
		column.forEach((n, row) => {
			if (n === 0) return;
			const bottom = u.valToPos(row > 0 ? s.bounds[row - 1] : floorOf(s), "y", true), top = u.valToPos(s.bounds[row], "y", true);
			ctx.globalAlpha = 0.12 + 0.88 * Math.log(1 + n) / Math.log(1 + most);
			ctx.fillRect(from, top, Math.max(to - from, 1), bottom - top);
		});
	});
	ctx.restore();
}
function positive(values) { return values.map((ms) => (ms === null ? null : Math.max(ms, 0.001))); }

// The part of the run that every chart shows; null: all of it.
let shown = null;
const charts = [];
// show puts every chart of the run on a part of it.
function show(range, from) {
	const whole = range === null || range[0] <= 0 && range[1] >= data.length;
	shown = whole ? null : [Math.max(range[0], 0), Math.min(range[1], data.length)];
	charts.forEach((c) => c !== from && c.zoom());
}
// latest is the last of ascending times that is not after x, -1 for none.
function latest(times, x) {
	let low = 0, high = times.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (times[middle] <= x) low = middle + 1; else high = middle;
	}
	return low - 1;
}
function point(time) { charts.forEach((c) => c.point(time)); }
// pointed is the time under a chart's cursor, null for none.
function pointed(u) { return u === null || !(u.cursor.left >= 0) ? null : u.posToVal(u.cursor.left, "x"); }

// A value holds for its whole time, usually a second: each has two points, at its begin and at its end. So a second without a
// value is a gap of just its width.
function columns(stream, values) {
	const time = [], out = values.map(() => []);
	stream.time.forEach((start, i) => {
		time.push(start, Math.max(start, Math.min(start + stream.step, data.length)));
		out.forEach((o, s) => o.push(values[s][i], values[s][i]));
	});
	return [time, ...out];
}

function axisLooks() {
	return { stroke: colour("soft"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif" };
}
const timeAxis = { values: (u, at) => at.map(moment), incrs: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400], space: 62, size: 34 };
// The cursor is shared by all charts of the run. Each hands a new part of the run on by itself.
function cursor() {
	return { sync: { key: "run", filters: { pub: (type) => type !== "mousedown" && type !== "mouseup" && type !== "dblclick" } }, y: false, drag: { x: true, y: false }, points: { show: false } };
}
function timeScale() {
	const [min, max] = shown ?? [0, data.length || 1];
	return { time: false, range: (u, low, high) => (low === null || low === high ? [0, data.length || 1] : [low, high]), min, max };
}

function options(kind, stream, width, on) {
	const bands = kind.alone ? [] : bandsOf(stream), lane = lanes(bands, width, left, right), above = Math.max(0, ...lane.map((l) => l + 1)) * laneHeight;
	const axis = axisLooks();
	const alone = { values: (u, at) => at.map(percentile), splits: () => [0, 0.301, 1, 1.301, 2, 3, 4, 5, 6].filter((x) => x <= stream.time.at(-1)), size: 34, space: 20 };
	return {
		width, height: plotHeight + above + 34,
		padding: [above + 8, right, 0, 0],
		legend: { show: false },
		cursor: kind.alone ? { y: false, drag: { x: false, y: false }, points: { show: true } } : cursor(),
		scales: { x: kind.alone ? { time: false, range: (u, low, high) => [0, Math.max(high, 1)] } : timeScale(), y: kind.range ? { ...kind.scale, range: () => kind.range(stream) } : kind.scale },
		axes: [
			{ ...axis, ...(kind.alone ? alone : timeAxis) },
			{ ...axis, values: (u, at) => at.map((v) => kind.text(v, stream)), splits: kind.splits, size: left },
		],
		series: [{}, ...kind.lines(stream).map(([label, name], i) => ({
			label, stroke: colour(name), width: kind.line ?? (name === "max" || name === "offered" ? 1 : 2), dash: name === "offered" ? [5, 4] : undefined,
			show: on[i], points: { show: kind.alone === true, size: 5 }, spanGaps: kind.alone === true,
		}))],
		hooks: { drawClear: [(u) => shade(u, bands, lane)], draw: [(u) => kind.marks(u, stream)] },
	};
}

// What a chart and a row of the timeline looked like before they were drawn: the page of a run that goes on keeps those that still do.
const undrawn = new WeakMap();

// A chart with its legend. It is drawn anew when the colours change, and when there is new data.
function chart(figure) {
	undrawn.set(figure, figure.outerHTML);
	const kind = kinds[figure.dataset.kind];
	let stream = series.get(figure.dataset.stream);
	const plot = figure.querySelector(".plot"), at = figure.querySelector(".at");
	const buttons = [...figure.querySelectorAll("button")];
	const points = kind.alone ? 1 : 2; // of each value
	figure.hidden = false;
	let u = null;

	// second is the one under the cursor, -1 for none.
	function second() {
		const { left } = u.cursor;
		if (left === undefined || left < 0) return -1;
		if (kind.alone) return u.cursor.idx ?? -1;
		const x = u.posToVal(left, "x");
		return latest(stream.time, x);
	}
	function read() {
		if (!self.seen) return;
		const i = u === null ? -1 : second();
		at.textContent = i < 0 ? "" : kind.alone ? "at " + percentile(stream.time[i]) : "at " + span(stream.time[i], stream.step) + during(stream, stream.time[i], stream.step);
		buttons.forEach((b, s) => {
			const v = i < 0 ? undefined : u.data[s + 1][points * i];
			b.querySelector("b").textContent = v === undefined ? "" : v === null ? kind.absent(stream, i, s) : kind.text(v, stream);
		});
	}
	const self = {
		plot, read,
		seen: true, // on or near the screen: only then its values are told
		drawn: () => u !== null,
		draw() {
			const on = buttons.map((b) => b.getAttribute("aria-pressed") === "true");
			if (u !== null) u.destroy();
			u = null;
			self.stale = false;
			stream = series.get(figure.dataset.stream);
			const opt = options(kind, stream, plot.clientWidth, on);
			opt.hooks.setCursor = [read];
			if (!kind.alone) opt.hooks.setScale = [(u, key) => handOn(u, key, self)];
			const values = kind.values(stream);
			u = new uPlot(opt, kind.alone ? [stream.time, ...values] : columns(stream, values), plot);
		},
		// point sets the cursor to a time, null takes it away. A pointer's cursor is in every chart by uPlot's own means.
		at: () => (kind.alone ? null : pointed(u)),
		drop: () => u?.destroy(),
		point: (time) => u !== null && !kind.alone && u.setCursor(time === null ? { left: -10, top: -10 } : { left: u.valToPos(time, "x"), top: 1 }),
		zoom: () => u !== null && !kind.alone && rescale(u),
	};
	buttons.forEach((b, s) => b.addEventListener("click", () => {
		const on = b.getAttribute("aria-pressed") !== "true";
		b.setAttribute("aria-pressed", String(on));
		u?.setSeries(s + 1, { show: on });
	}));
	plot.addEventListener("keydown", (e) => {
		const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
		if (!step || stream.time.length === 0) return;
		e.preventDefault();
		const i = Math.min(Math.max(second() + step, 0), stream.time.length - 1);
		if (kind.alone) u.setCursor({ left: u.valToPos(stream.time[i], "x"), top: 1 });
		else point(stream.time[i] + stream.step / 2);
	});
	plot.addEventListener("blur", () => (kind.alone ? u.setCursor({ left: -10, top: -10 }) : point(null)));
	return self;
}

// A chart that was zoomed into takes the others along.
let following = false;
function handOn(u, key, from) {
	if (key !== "x" || following || !from.drawn()) return;
	const { min, max } = u.scales.x;
	if (min === null || max === null) return;
	following = true;
	show([min, max], from);
	following = false;
}
function rescale(u) {
	const before = following;
	following = true;
	u.setScale("x", shown ? { min: shown[0], max: shown[1] } : { min: 0, max: data.length || 1 });
	following = before;
}
