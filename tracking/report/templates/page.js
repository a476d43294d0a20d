"use strict";

const CONFIG = {
  responsive: true,
  displayModeBar: false,
  showTips: false,
};

const figures = JSON.parse(document.getElementById("figures").textContent);

for (const [place, figure] of Object.entries(figures)) {
  Plotly.newPlot(place, figure.data, figure.layout, CONFIG);
}

/* The line under the pointer is drawn again over all others: the part of its trace between gaps. */
const parallel = document.getElementById("figure-parallel");
if (parallel) {
  const front = parallel.data.findIndex((trace) => trace.name === "trial under the pointer");
  let shown = "";
  const show = (line, x, y) => {
    if (line === shown) return;
    shown = line;
    Plotly.restyle(parallel, { x: [x], y: [y] }, [front]);
  };
  parallel.on("plotly_hover", ({ points: [point] }) => {
    const { x, y } = point.data;
    const begin = x.lastIndexOf(null, point.pointNumber) + 1;
    const end = x.indexOf(null, point.pointNumber);
    show(`${point.curveNumber} ${begin}`, x.slice(begin, end), y.slice(begin, end));
  });
  parallel.on("plotly_unhover", () => show("", [], []));
}

/* A frame without rights to open windows, such as MLflow's, keeps links from opening. */
if (window.self !== window.top) {
  for (const words of document.querySelectorAll(".framed")) words.hidden = false;
}
