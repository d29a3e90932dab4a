/** @file How a drawn graph looks, by day and by night. */

const light = `
  --page: #ffffff; --ink: #1f2937; --faint: #6b7280; --box: #ffffff; --line: #c4cad4; --edge: #98a2b3;
  --frame: #f6f7f9; --frame-line: #dfe3e9;
  --run: #d97706; --run-box: #fffbeb; --reuse: #16a34a; --reuse-box: #f0fdf4;
  --unknown: #0284c7; --unknown-box: #f0f9ff; --skip: #9ca3af; --skip-box: #f9fafb;`

const dark = `
  --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --box: #161b22; --line: #3d444d; --edge: #656d79;
  --frame: #11161d; --frame-line: #2a313a;
  --run: #e3a02c; --run-box: #241c0c; --reuse: #3fb950; --reuse-box: #0f2117;
  --unknown: #4aa8e8; --unknown-box: #0c1d2b; --skip: #6e7681; --skip-box: #14181d;`

export const svgStyle = `
:root {${light}
}
@media (prefers-color-scheme: dark) { :root {${dark}
} }
svg { background: var(--page); }
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; }
.name { font-size: 13px; font-weight: 600; }
.detail { font-size: 11px; fill: var(--faint); }
.group { font-size: 11px; font-weight: 600; fill: var(--faint); paint-order: stroke; stroke: var(--frame); stroke-width: 4px; stroke-linejoin: round; }
.box { fill: var(--box); stroke: var(--line); stroke-width: 1; }
.frame { fill: var(--frame); stroke: var(--frame-line); stroke-width: 1; }
.edge { fill: none; stroke: var(--edge); stroke-width: 1.4; stroke-linecap: round; }
.edge:hover { stroke: var(--ink); stroke-width: 2; }
.tip { fill: var(--edge); }
.node:hover .box { stroke: var(--ink); }
.run .box { fill: var(--run-box); stroke: var(--run); } .run .mark { fill: var(--run); }
.reuse .box { fill: var(--reuse-box); stroke: var(--reuse); } .reuse .mark { fill: var(--reuse); }
.unknown .box { fill: var(--unknown-box); stroke: var(--unknown); stroke-dasharray: 5 3; } .unknown .mark { fill: var(--unknown); }
.skip .box { fill: var(--skip-box); stroke: var(--skip); stroke-dasharray: 2 3; } .skip .mark { fill: var(--skip); }
.skip .name { fill: var(--faint); }
`
