"use strict";
// Draws the charts from the JSON in #data. Nothing is fetched. Without this script the tables still tell all.
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const streams = new Map(data.streams.map((s) => [s.id, s]));
	const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
	const short = (v) => String(Number(v.toPrecision(3)));
	const amount = (v) => (v >= 1e6 ? short(v / 1e6) + " M" : v >= 1e4 ? short(v / 1e3) + " k" : short(v));
	const times = (ms) => (ms < 1 ? short(ms * 1000) + " µs" : ms < 1000 ? short(ms) + " ms" : short(ms / 1000) + " s");
	const moment = (s) => (data.length < 600 ? short(s) + " s" : Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0"));
	const nines = (n) => (n === 0 ? "0 %" : n === 1 ? "90 %" : n === 2 ? "99 %" : n === 3 ? "99.9 %" : "");
	const decades = (u, axis, low, high) => {
		const all = [];
		for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
		return all.length > 1 ? all : [low, high];
	};
	const logarithmic = { distr: 3, range: (u, low, high) => (low === null ? [1, 1000] : [low / 1.15, high * 1.15]) };
	const kinds = {
		p99: { x: moment, text: times, splits: decades, scale: logarithmic, faults: true, lines: (s) => [s.base.p99, s.new.p99, s.base.low, s.base.high, s.new.low, s.new.high], bands: true },
		acked: { x: moment, text: (v) => amount(v) + "/s", scale: { range: (u, low, high) => [0, (high || 1) * 1.08] }, faults: true, lines: (s) => [s.base.acked, s.new.acked] },
		distribution: { x: nines, xs: [0, 1, 2, 3], text: times, splits: decades, scale: logarithmic, lines: (s) => [s.from, s.to] },
	};

	function faults(u) {
		const { ctx, bbox } = u, clamp = (x) => Math.min(Math.max(x, bbox.left), bbox.left + bbox.width);
		ctx.save();
		ctx.fillStyle = colour("fault");
		ctx.globalAlpha = 0.15;
		for (const f of data.bands) {
			const from = clamp(u.valToPos(f.start, "x", true)), to = clamp(u.valToPos(f.end, "x", true));
			ctx.fillRect(from, bbox.top, Math.max(to - from, 1), bbox.height);
		}
		ctx.restore();
	}
	function draw(figure) {
		const stream = streams.get(figure.dataset.stream), kind = kinds[figure.dataset.kind], plot = figure.querySelector(".plot");
		plot.replaceChildren();
		const axis = { stroke: colour("soft"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif" };
		const faint = (name) => ({ stroke: colour(name), width: 0.5, points: { show: false } });
		const line = (label, name, dash) => ({ label, stroke: colour(name), width: 2, dash, points: { show: false } });
		const series = [{}, line("base", "p50", [6, 3]), line("new", "p99")];
		if (kind.bands) series.push(faint("p50"), faint("p50"), faint("p99"), faint("p99"));
		const xs = figure.dataset.kind === "distribution" ? stream.nines : stream.time;
		new uPlot({
			width: plot.clientWidth, height: 240, padding: [8, 24, 0, 0], legend: { show: false }, cursor: { sync: { key: figure.dataset.kind === "distribution" ? stream.id : "run" }, y: false, points: { show: true }, drag: { x: true, y: false } },
			scales: { x: { time: false }, y: kind.scale },
			axes: [
				{ ...axis, values: (u, at) => at.map(kind.x), splits: kind.xs ? () => kind.xs : undefined, space: 70, size: 34 },
				{ ...axis, values: (u, at) => at.map((v) => (v === null ? "" : kind.text(v))), splits: kind.splits, size: 70 },
			],
			series,
			bands: kind.bands ? [{ series: [4, 3], fill: colour("p50") + "22" }, { series: [6, 5], fill: colour("p99") + "22" }] : [],
			hooks: { drawClear: kind.faults ? [faults] : [], setCursor: [(u) => tell(figure, u, kind, stream)] },
		}, [xs, ...kind.lines(stream)], plot);
	}
	// The values under the pointer stand behind the caption.
	function tell(figure, u, kind) {
		let at = figure.querySelector(".at");
		if (!at) {
			at = document.createElement("span");
			at.className = "at";
			figure.querySelector("figcaption").append(at);
		}
		const i = u.cursor.idx;
		if (i === null || i === undefined) { at.textContent = ""; return; }
		const value = (s) => (u.data[s][i] === null || u.data[s][i] === undefined ? "–" : kind.text(u.data[s][i]));
		const x = figure.dataset.kind === "distribution" ? short(100 * (1 - 10 ** -u.data[0][i])) + " %" : moment(u.data[0][i]);
		at.textContent = `${x}: base ${value(1)}, new ${value(2)}`;
	}
	const all = () => document.querySelectorAll("figure[data-stream]").forEach(draw);
	if (data.streams.length > 0) {
		all();
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
		addEventListener("resize", all);
	}
})();
