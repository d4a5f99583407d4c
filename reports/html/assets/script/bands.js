const laneHeight = 18, mostLanes = 6, pad = 5;

// The faults, the parts that ended by themselves, the times in which the target blocked a connection, the phases of the run and the
// steps of a stream, which no other stream's charts show.
function bandsOf(stream) {
	// The end of a part is a moment: its bar is as narrow as can be seen.
	const moment = (data.length || 1) / 400;
	return [
		...data.faults.map((f) => ({ ...f, kind: "fault" })), ...stream.phases.map((p) => ({ ...p, kind: "phase" })),
		...data.ended.map((e) => ({ ...e, end: e.start + moment, kind: "ended" })),
		...(stream.blocks ?? []).map((b) => ({ ...b, end: Math.max(b.end, b.start + moment), kind: "ended" })),
	];
}
function during(stream, start, step) {
	const names = bandsOf(stream).filter((f) => f.start < start + step && f.end > start).map((f) => f.name);
	return names.length > 0 ? ", during " + [...new Set(names)].join(", ") : "";
}

// Each band has a bar above the curves, with its name in it or beside it; those that would overlap stand in lanes of
// their own. lanes returns the lane of each band in a chart of this width.
function lanes(bands, width, left, right) {
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

// The bands: a shade behind the curves, and the bars above, unless lane is null.
function shade(u, bands, lane) {
	const { ctx, bbox } = u, dpr = devicePixelRatio, count = lane === null ? 0 : Math.max(0, ...lane.map((l) => l + 1));
	const outside = colour("ink");
	ctx.save();
	ctx.scale(dpr, dpr);
	ctx.font = font;
	ctx.textBaseline = "middle";
	ctx.textAlign = "left";
	const box = { top: bbox.top / dpr, height: bbox.height / dpr };
	const x = (t) => clamp(u.valToPos(t, "x", true), bbox) / dpr;
	const bars = bands.map((f, i) => ({ name: f.name, kind: f.kind, from: x(f.start), to: x(f.end), lane: lane?.[i] })).filter((b) => b.to > b.from);
	for (const b of bars) {
		ctx.fillStyle = colour(b.kind);
		ctx.globalAlpha = b.kind === "fault" ? 0.13 : 0.06;
		ctx.fillRect(b.from, box.top, b.to - b.from, box.height);
		ctx.globalAlpha = 0.6;
		ctx.fillRect(b.from, box.top, 1, box.height);
		ctx.fillRect(b.to - 1, box.top, 1, box.height);
		ctx.globalAlpha = 1;
		if (lane === null) continue;
		const top = box.top - (count - b.lane) * laneHeight;
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

// Calls paint(from, to, value) for each run of equal times of a stream whose value is above 0.
function runs(u, { time, step }, values, paint) {
	for (let i = 0; i < values.length;) {
		let j = i + 1;
		while (j < values.length && values[j] === values[i]) j++;
		if (values[i] > 0) {
			const end = j < time.length ? time[j] : Math.min(time[j - 1] + step, data.length);
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
	runs(u, stream, stream.hung, (from, to, level) => ctx.fillRect(from, bbox.top, to - from, level * 5 * dpr));
	ctx.restore();
}
// Marks times with stripes at the foot of a chart. They lean by so many pixels.
function stripes(u, stream, values, lean) {
	const { ctx, bbox } = u, dpr = devicePixelRatio;
	ctx.save();
	ctx.strokeStyle = colour("soft");
	ctx.lineWidth = dpr;
	runs(u, stream, values, (from, to) => {
		const high = 12 * dpr, top = bbox.top + bbox.height - high;
		ctx.save();
		ctx.beginPath();
		ctx.rect(from, top, to - from, high);
		ctx.clip();
		ctx.beginPath();
		for (let x = from - lean * dpr; x < to; x += 5 * dpr) { ctx.moveTo(x, top + high); ctx.lineTo(x + lean * dpr, top); }
		ctx.stroke();
		ctx.restore();
	});
	ctx.restore();
}
