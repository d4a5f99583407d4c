"use strict";
// Draws the charts from the JSON in #data. Nothing is fetched. Without this script the tables still tell all.
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const streams = new Map([...data.streams, ...data.gauges].map((s) => [s.id, s]));
	const laneHeight = 18, mostLanes = 6, plotHeight = 190, left = 66, right = data.length < 600 ? 16 : 26, font = "600 11px system-ui, sans-serif", pad = 5;
	const kinds = {
		times: {
			lines: (s) => [["p50", "p50"], ["p99", "p99"], ["max", "max"], ...(s.effect.length > 0 ? [["effect p99", "effect"]] : [])],
			values: (s) => [s.p50, s.p99, s.max, ...(s.effect.length > 0 ? [s.effect] : [])].map((v) => v.map((ms) => (ms === null ? null : Math.max(ms, 0.001)))),
			text: duration,
			splits: (u, axis, low, high) => decades(low, high),
			scale: { distr: 3, range: (u, low, high) => (low === null ? [1, 1000] : uPlot.rangeLog(low / 1.2, high * 1.2, 10, true)) },
			marks: (u, s, paint) => hung(u, s, paint),
			absent: (s, i, line) => (line === 3 ? (s.acked[i] > 0 ? "not seen" : "–") : s.offered[i] > 0 ? "no answer" : "–"),
		},
		rates: {
			lines: () => [["offered", "offered"], ["acked", "acked"], ["errors", "errors"], ["retries", "retries"]],
			values: (s) => [s.offered, s.acked, s.errors, s.retries],
			text: (v) => amount(v) + "/s",
			scale: { range: (u, low, high) => [0, (high || 1) * 1.08] },
			marks: (u, s, paint) => limited(u, s, paint),
			absent: () => "–",
		},
		gauge: {
			lines: (s) => s.lines.map((l) => [l.name, l.colour]),
			values: (s) => s.lines.map((l) => l.values),
			text: (v, s) => amount(v) + (s.unit === "bytes" ? "B" : ""),
			scale: { range: (u, low, high) => [0, (high || 1) * 1.08] },
			marks: () => {},
			absent: () => "–",
		},
	};

	function significant(v) { return String(Number(v.toPrecision(3))); }
	function duration(ms) {
		if (ms < 1) return significant(ms * 1000) + " µs";
		if (Number(ms.toPrecision(3)) < 1000) return significant(ms) + " ms";
		return significant(ms / 1000) + " s";
	}
	function moment(s) {
		if (data.length < 600) return significant(s) + " s";
		const pad = (n) => String(Math.floor(n)).padStart(2, "0");
		return (s >= 3600 ? Math.floor(s / 3600) + ":" + pad((s % 3600) / 60) : Math.floor(s / 60)) + ":" + pad(s % 60);
	}
	function decades(low, high) {
		const all = [];
		for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
		return all;
	}
	function amount(v) {
		if (v >= 1e6) return significant(v / 1e6) + " M";
		if (v >= 1e4) return significant(v / 1e3) + " k";
		return significant(v);
	}
	function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(); }

	// A value holds for its whole second: each second has two points, at its begin and at its end. So a second without a
	// value is a gap of just its width.
	function columns(stream, kind) {
		const time = [], values = kind.values(stream), out = values.map(() => []);
		stream.time.forEach((start, i) => {
			time.push(start, Math.max(start, Math.min(start + 1, data.length)));
			out.forEach((o, s) => o.push(values[s][i], values[s][i]));
		});
		return [time, ...out];
	}

	// The faults, the parts that ended by themselves, the phases of the run and the steps of a stream, which no other stream's charts
	// show.
	function bandsOf(stream) {
		// The end of a part is a moment: its bar is as narrow as can be seen.
		const moment = (data.length || 1) / 400;
		return [
			...data.faults.map((f) => ({ ...f, kind: "fault" })), ...stream.phases.map((p) => ({ ...p, kind: "phase" })),
			...data.ended.map((e) => ({ ...e, end: e.start + moment, kind: "ended" })),
		];
	}

	// Each band has a bar above the curves, with its name in it or beside it; those that would overlap stand in lanes of
	// their own. lanes returns the lane of each band in a chart of this width.
	function lanes(bands, width) {
		const ctx = document.createElement("canvas").getContext("2d");
		ctx.font = font;
		const scale = (width - left - right) / (data.length || 1), taken = [];
		return bands.map((f) => {
			const name = ctx.measureText(f.name).width + 2 * pad;
			let from = left + f.start * scale, to = left + f.end * scale;
			if (name > to - from) [from, to] = to + name <= width ? [from, to + name] : [from - name, to];
			const free = taken.findIndex((lane) => lane.every((o) => o.to <= from || o.from >= to));
			const lane = free >= 0 ? free : Math.min(taken.length, mostLanes - 1);
			(taken[lane] ??= []).push({ from, to });
			return lane;
		});
	}

	// The bands: a shade behind the curves, and the bars above.
	function shade(u, bands, lane) {
		const { ctx, bbox } = u, dpr = devicePixelRatio, count = Math.max(0, ...lane.map((l) => l + 1));
		const outside = colour("ink");
		ctx.save();
		ctx.scale(dpr, dpr);
		ctx.font = font;
		ctx.textBaseline = "middle";
		const box = { top: bbox.top / dpr, height: bbox.height / dpr };
		const x = (t) => clamp(u.valToPos(t, "x", true), bbox) / dpr;
		const bars = bands.map((f, i) => ({ name: f.name, kind: f.kind, from: x(f.start), to: x(f.end), lane: lane[i] })).filter((b) => b.to > b.from);
		for (const b of bars) {
			const top = box.top - (count - b.lane) * laneHeight;
			ctx.fillStyle = colour(b.kind);
			ctx.globalAlpha = b.kind === "fault" ? 0.13 : 0.06;
			ctx.fillRect(b.from, box.top, b.to - b.from, box.height);
			ctx.globalAlpha = 0.6;
			ctx.fillRect(b.from, box.top, 1, box.height);
			ctx.fillRect(b.to - 1, box.top, 1, box.height);
			ctx.globalAlpha = 1;
			ctx.fillRect(b.from, top, Math.max(b.to - b.from, 2), laneHeight - 3);
			const [text, at, within] = label(ctx, b, bars.filter((o) => o !== b && o.lane === b.lane), u.width);
			ctx.fillStyle = within ? colour(b.kind + "-ink") : outside;
			ctx.fillText(text, at, top + (laneHeight - 3) / 2);
		}
		ctx.restore();
	}

	// The name stands in its bar, else right of it, else left of it where there is room, else shortened in it.
	function label(ctx, b, others, width) {
		const name = ctx.measureText(b.name).width + 2 * pad;
		const free = (from, to) => from >= 0 && to <= width && others.every((o) => o.to <= from || o.from >= to);
		if (name <= b.to - b.from) return [b.name, b.from + pad, true];
		if (free(b.to, b.to + name)) return [b.name, b.to + pad, false];
		if (free(b.from - name, b.from)) return [b.name, b.from - name + pad, false];
		return [shorten(ctx, b.name, b.to - b.from - 2 * pad), b.from + pad, true];
	}
	function shorten(ctx, text, width) {
		for (let n = text.length - 1; n > 0; n--) {
			if (ctx.measureText(text.slice(0, n) + "…").width <= width) return text.slice(0, n) + "…";
		}
		return "";
	}
	function clamp(x, bbox) { return Math.min(Math.max(x, bbox.left), bbox.left + bbox.width); }

	// Calls paint(from, to, value) for each run of equal seconds whose value is above 0.
	function runs(u, time, values, paint) {
		for (let i = 0; i < values.length;) {
			let j = i + 1;
			while (j < values.length && values[j] === values[i]) j++;
			if (values[i] > 0) {
				const end = j < time.length ? time[j] : data.length;
				const from = clamp(u.valToPos(time[i], "x", true), u.bbox), to = clamp(u.valToPos(end, "x", true), u.bbox);
				if (to > from) paint(from, to, values[i]);
			}
			i = j;
		}
	}
	function hung(u, stream) {
		const { ctx, bbox } = u, dpr = devicePixelRatio;
		ctx.save();
		ctx.fillStyle = colour("errors");
		runs(u, stream.time, stream.hung, (from, to, level) => ctx.fillRect(from, bbox.top, to - from, level * 5 * dpr));
		ctx.restore();
	}
	function limited(u, stream) {
		const { ctx, bbox } = u, dpr = devicePixelRatio;
		ctx.save();
		ctx.strokeStyle = colour("soft");
		ctx.lineWidth = dpr;
		runs(u, stream.time, stream.limited, (from, to) => {
			const high = 12 * dpr, top = bbox.top + bbox.height - high;
			ctx.save();
			ctx.beginPath();
			ctx.rect(from, top, to - from, high);
			ctx.clip();
			ctx.beginPath();
			for (let x = from - high; x < to; x += 5 * dpr) { ctx.moveTo(x, top + high); ctx.lineTo(x + high, top); }
			ctx.stroke();
			ctx.restore();
		});
		ctx.restore();
	}

	function options(kind, stream, width, show) {
		const bands = bandsOf(stream), lane = lanes(bands, width), above = Math.max(0, ...lane.map((l) => l + 1)) * laneHeight;
		const axis = { stroke: colour("soft"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif" };
		return {
			width, height: plotHeight + above + 34,
			padding: [above + 8, right, 0, 0],
			legend: { show: false },
			cursor: { sync: { key: "run" }, y: false, drag: { x: true, y: false }, points: { show: false } },
			scales: { x: { time: false, range: (u, low, high) => (low === null || low === high ? [0, data.length || 1] : [low, high]) }, y: kind.scale },
			axes: [
				{ ...axis, values: (u, at) => at.map(moment), incrs: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400], space: 62, size: 34 },
				{ ...axis, values: (u, at) => at.map((v) => kind.text(v, stream)), splits: kind.splits, size: left },
			],
			series: [{}, ...kind.lines(stream).map(([label, name], i) => ({
				label, stroke: colour(name), width: name === "max" || name === "offered" ? 1 : 2, dash: name === "offered" ? [5, 4] : undefined,
				show: show[i], points: { show: false },
			}))],
			hooks: { drawClear: [(u) => shade(u, bands, lane)], draw: [(u) => kind.marks(u, stream)] },
		};
	}

	function during(stream, start) {
		const names = bandsOf(stream).filter((f) => f.start < start + 1 && f.end > start).map((f) => f.name);
		return names.length > 0 ? ", during " + [...new Set(names)].join(", ") : "";
	}

	// A chart with its legend. It is drawn anew when the colours change.
	function chart(figure) {
		const stream = streams.get(figure.dataset.stream), kind = kinds[figure.dataset.kind];
		const plot = figure.querySelector(".plot"), at = figure.querySelector(".at");
		const buttons = [...figure.querySelectorAll("button")];
		figure.hidden = false;
		let u = null;

		// second is the one under the cursor, -1 for none.
		function second() {
			const { left } = u.cursor;
			if (left === undefined || left < 0) return -1;
			const x = u.posToVal(left, "x");
			return stream.time.findLastIndex((start) => start <= x);
		}
		function read() {
			const i = u === null ? -1 : second();
			at.textContent = i < 0 ? "" : "at " + moment(stream.time[i]) + during(stream, stream.time[i]);
			buttons.forEach((b, s) => {
				const v = i < 0 ? undefined : u.data[s + 1][2 * i];
				b.querySelector("b").textContent = v === undefined ? "" : v === null ? kind.absent(stream, i, s) : kind.text(v, stream);
			});
		}
		function draw() {
			const show = buttons.map((b) => b.getAttribute("aria-pressed") === "true");
			if (u !== null) u.destroy();
			const opt = options(kind, stream, plot.clientWidth, show);
			opt.hooks.setCursor = [read];
			u = new uPlot(opt, columns(stream, kind), plot);
		}
		buttons.forEach((b, s) => b.addEventListener("click", () => {
			const on = b.getAttribute("aria-pressed") !== "true";
			b.setAttribute("aria-pressed", String(on));
			u.setSeries(s + 1, { show: on });
		}));
		plot.addEventListener("keydown", (e) => {
			const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
			if (!step || stream.time.length === 0) return;
			e.preventDefault();
			const i = Math.min(Math.max(second() + step, 0), stream.time.length - 1);
			charts.forEach((c) => c.point(stream.time[i] + 0.5));
		});
		plot.addEventListener("blur", () => charts.forEach((c) => c.point(null)));
		draw();
		new ResizeObserver(() => {
			if (u.width !== plot.clientWidth && plot.clientWidth > 0) draw();
		}).observe(plot);
		// point sets the cursor to a time, null takes it away. A pointer's cursor is in every chart by uPlot's own means.
		const point = (time) => u.setCursor(time === null ? { left: -10, top: -10 } : { left: u.valToPos(time, "x"), top: 1 });
		return { draw, point };
	}

	const charts = [...document.querySelectorAll(".chart")].map(chart);
	const again = () => charts.forEach((c) => c.draw());
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
	matchMedia("print").addEventListener("change", again);

	// A click on a column's head, or Enter on it, sorts the rows: up, down, and as they were. Figures are sorted by value, and before
	// texts. The total stays last.
	function sorted(rows, column, down) {
		const key = (row) => {
			const cell = row.cells[column];
			return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
		};
		const compare = (a, b) => {
			if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
			const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
			return down ? -order : order;
		};
		return rows.map((row) => [key(row), row]).sort(([a], [b]) => compare(a, b)).map(([, row]) => row);
	}
	function sortable(table) {
		const body = table.tBodies[0], total = [...body.rows].filter((r) => r.classList.contains("total")), rows = [...body.rows].filter((r) => !total.includes(r));
		const heads = [...table.tHead.rows[0].cells];
		if (rows.length < 2) return;
		heads.forEach((head, column) => {
			if (head.textContent.trim() === "") return;
			const button = document.createElement("button");
			button.type = "button";
			button.className = "sort";
			button.append(...head.childNodes);
			head.append(button);
			button.addEventListener("click", () => {
				const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
				heads.forEach((h) => h.removeAttribute("aria-sort"));
				const order = next === null ? null : next ?? "ascending";
				if (order) head.setAttribute("aria-sort", order);
				body.append(...(order ? sorted(rows, column, order === "descending") : rows), ...total);
			});
		});
	}
	document.querySelectorAll("table").forEach((table) => table.tHead && sortable(table));

	// On paper nothing can be opened.
	let opened = [];
	addEventListener("beforeprint", () => {
		opened = [...document.querySelectorAll("main details:not([open]), header details:not([open])")];
		opened.forEach((d) => { d.open = true; });
	});
	addEventListener("afterprint", () => opened.forEach((d) => { d.open = false; }));
})();
