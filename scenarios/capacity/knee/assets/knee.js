"use strict";
// Draws the knee charts from the JSON in #data. Nothing is fetched. Without this script the tables still tell all.
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
	const tone = { pass: "pass", fail: "fail", inconclusive: "doubt" };
	const short = (v) => String(Number(v.toPrecision(3)));
	const amount = (v) => (v >= 1e6 ? short(v / 1e6) + " M" : v >= 1e4 ? short(v / 1e3) + " k" : short(v));
	const times = (ms) => (ms < 1 ? short(ms * 1000) + " µs" : ms < 1000 ? short(ms) + " ms" : short(ms / 1000) + " s");
	const decades = (u, axis, low, high) => {
		const all = [];
		for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) all.push(10 ** e);
		return all;
	};
	// The loads that have a label: as many as there is room for. Where a range is narrow they are equal steps, elsewhere 1, 2, 5 and so on.
	const loads = (low, high, most) => {
		const between = (v) => v >= low && v <= high;
		for (const each of low * 4 > high ? [] : [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1]]) {
			const all = [];
			for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++) all.push(...each.map((n) => Number((n * 10 ** e).toPrecision(6))));
			const within = all.filter(between), thin = each.length > 1 ? 1 : Math.ceil(within.length / most);
			if (within.length > 1 && within.length <= most * thin) return within.filter((v, i) => i % thin === 0);
		}
		for (let e = Math.floor(Math.log10((high - low) / most)); ; e++) {
			for (const n of [1, 2, 5]) {
				const step = n * 10 ** e, first = Math.ceil(low / step), last = Math.floor(high / step);
				if (last - first < most) return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
			}
		}
	};
	const exact = (v) => (v >= 1e4 && v % 100 === 0 ? v / 1e3 + " k" : String(v));
	const kinds = {
		times: {
			lines: [["p50", "p50", data.p50], ["p99", "p99", data.p99]], text: times, splits: decades,
			scale: { distr: 3, range: (u, low, high) => (low === null ? [1, 1000] : uPlot.rangeLog(low / 1.2, high * 1.2, 10, true)) },
		},
		goodput: {
			lines: [["goodput", "acked", data.goodput], ["fitted", "retries", data.fitted], ...(data.rates ? [["offered", "offered", data.load]] : [])],
			text: (v) => amount(v) + "/s", scale: { range: (u, low, high) => [0, (high || 1) * 1.08] },
		},
		errors: { lines: [["errors", "errors", data.errors]], text: (v) => short(v) + " %", scale: { range: (u, low, high) => [0, Math.max(high || 0, 1) * 1.08] } },
	};

	// The bounds are drawn over the whole height.
	function bounds(u) {
		const { ctx, bbox } = u;
		for (const [at, name] of [[data.lower, "pass"], [data.upper, "fail"]]) {
			if (at === null) continue;
			const x = u.valToPos(at, "x", true);
			ctx.save();
			ctx.strokeStyle = colour(name);
			ctx.lineWidth = 2 * devicePixelRatio;
			ctx.beginPath();
			ctx.moveTo(x, bbox.top);
			ctx.lineTo(x, bbox.top + bbox.height);
			ctx.stroke();
			ctx.restore();
		}
	}
	// Each trial is a point in the colour of its verdict.
	function points(u, lines) {
		const { ctx } = u;
		for (const [name, , values] of lines) {
			if (name === "fitted" || name === "offered") continue;
			values.forEach((v, i) => {
				if (v === null) return;
				ctx.save();
				ctx.fillStyle = colour(tone[data.verdict[i]]);
				ctx.beginPath();
				ctx.arc(u.valToPos(data.load[i], "x", true), u.valToPos(v, "y", true), 4 * devicePixelRatio, 0, 2 * Math.PI);
				ctx.fill();
				ctx.restore();
			});
		}
	}
	function draw(figure) {
		const kind = kinds[figure.dataset.kind], plot = figure.querySelector(".plot");
		const labelled = loads(data.load[0] / 1.1, data.load[data.load.length - 1] * 1.1, Math.max(2, Math.floor((plot.clientWidth - 90) / 44)));
		plot.dataset.loads = labelled.map((v) => exact(v).replace(" ", "")).join(" ");
		const axis = { stroke: colour("soft"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif" };
		new uPlot({
			width: plot.clientWidth, height: 260, padding: [8, 20, 0, 0], legend: { show: false }, cursor: { show: false },
			scales: { x: { time: false, distr: 3, range: (u, low, high) => (low === null ? [1, 10] : [low / 1.1, high * 1.1]) }, y: kind.scale },
			axes: [
				{ ...axis, values: (u, at) => at.map((v) => exact(v) + (data.rates ? "/s" : "")), splits: () => labelled, filter: (u, at) => at, size: 34 },
				{ ...axis, values: (u, at) => at.map((v) => (v === null ? "" : kind.text(v))), splits: kind.splits, size: 66 },
			],
			series: [{}, ...kind.lines.map(([label, name]) => ({ label, stroke: colour(name), width: label === "offered" ? 1 : 2, dash: label === "offered" || label === "fitted" ? [5, 4] : undefined, spanGaps: label === "fitted", points: { show: false } }))],
			hooks: { drawClear: [bounds], draw: [(u) => points(u, kind.lines)] },
		}, [data.load, ...kind.lines.map((l) => l[2])], plot);
	}
	const all = () => {
		const figures = [...document.querySelectorAll("figure[data-kind]")];
		figures.forEach((f) => f.querySelector(".plot").replaceChildren()); // no old chart holds the place wide
		figures.forEach(draw);
	};
	if (data.load.length > 0) {
		all();
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
		addEventListener("resize", all);
	}
})();
