/** @file The page's one style sheet: light and dark by the reader's setting, plain on paper. */
import { Markup } from './html.ts'

export const style = new Markup(`
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1b1f24;--soft:#5c6570;--faint:#e4e6e9;--edge:#d9dce0;
--first:#2458d6;--second:#c2571a;--third:#0f8067;--quiet:#98a1ad;--tint:36 88 214}
@media (prefers-color-scheme:dark){:root{--page:#131518;--card:#1b1e23;--ink:#e8eaed;--soft:#a0a8b3;--faint:#2a2e35;
--edge:#33383f;--first:#86a9ff;--second:#f2a25c;--third:#5fcfae;--quiet:#6d7683;--tint:134 169 255}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:48px}
h1{font-size:2rem;line-height:1.2;margin:0;letter-spacing:-.015em}
h2{font-size:1.35rem;margin:56px 0 12px;letter-spacing:-.01em}
h3{font-size:1.02rem;margin:0}
nav{margin-top:14px;display:flex;flex-wrap:wrap;gap:4px 18px}
nav a,summary{color:var(--first)}
nav a{text-decoration:none;border-bottom:1px solid transparent}
nav a:hover,nav a:focus-visible{border-color:currentColor}
.notes{color:var(--soft);max-width:72ch;margin:10px 0 0;white-space:pre-line}
.hint,.summary,.caption{color:var(--soft);font-size:.9rem}
.hint,.summary{margin:2px 0 12px}
.headline{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 14px;margin:8px 0 20px}
.figure{font-size:3.2rem;font-weight:650;line-height:1.1;letter-spacing:-.03em;color:var(--first)}
.figure.quiet,.arrow{color:var(--quiet)}
.arrow{font-size:2.2rem}
.caption{flex-basis:100%;font-size:1rem}
figure{margin:0}
.chart,.sample,.log,.fact,.counters table,.scroll{background:var(--card);border:1px solid var(--edge);border-radius:10px}
.chart{padding:14px 14px 8px;min-width:0}
.chart figcaption,caption{font-weight:600;font-size:.95rem;text-align:left;padding-bottom:6px}
.chart.wide{overflow-x:auto}
section>.chart+.chart{margin-top:16px}
.chart.wide svg{min-width:520px}
.chart svg{display:block;width:100%;height:auto;overflow:visible}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px}
.log{padding:18px;margin-bottom:16px}
.log .chart{border:0;padding:0;background:none}
.log details{margin-top:10px}
details>.charts{margin-top:14px}
summary{cursor:pointer;font-size:.9rem;width:fit-content}
svg text{fill:var(--soft);font-size:12px}
svg .axis-label{font-size:12px}
.grid line{stroke:var(--faint)}
.axis line{stroke:var(--quiet)}
.chart{--tone:var(--quiet)}
.series-1{--tone:var(--first)}.series-2{--tone:var(--second)}.series-3{--tone:var(--third)}
.line,.raw{fill:none;stroke:var(--tone);stroke-linejoin:round;stroke-linecap:round}
.line{stroke-width:2.2}
.band{fill:var(--tone);opacity:.14}
.point{fill:var(--tone);stroke:var(--card);stroke-width:2}
.point-value{fill:var(--ink);font-size:14px;font-weight:600}
.raw{stroke-width:1;opacity:.32}
.marker{fill:var(--tone);opacity:0}
.marker:hover{opacity:1}
.legend{display:flex;gap:16px;margin:0 0 4px;font-size:.85rem;color:var(--soft)}
.key::before{content:"";display:inline-block;width:18px;height:3px;border-radius:2px;background:var(--tone);margin-right:6px;vertical-align:middle}
.series-2 .line{stroke-dasharray:7 4}
.bar rect{fill:var(--first)}
.bar.baseline rect{fill:var(--quiet)}
.bar-label{fill:var(--ink);font-size:14px;font-weight:600}
.bar-value{fill:var(--ink);font-size:14px;font-weight:600}
.bar-note{font-size:11px}
.halo{stroke:var(--card);stroke-width:4.5;fill:none;opacity:.75}
.whisker{stroke:var(--ink);stroke-width:1.6;fill:none}
.baseline-rule{stroke:var(--quiet);stroke-dasharray:4 4}
.scroll{overflow-x:auto;margin-top:16px;padding:14px 18px}
table{border-collapse:collapse;width:100%}
th,td{padding:6px 10px;text-align:right;border-top:1px solid var(--faint);white-space:nowrap}
thead th{border-top:0;color:var(--soft);font-size:.85rem;font-weight:600}
tr>:first-child{text-align:left;padding-left:0}
tbody th{font-weight:400}
tr.strong>*{font-weight:650}
.heat{table-layout:fixed;min-width:600px}
.heat td:not(.count){background:rgb(var(--tint)/calc(var(--share)*.42))}
.count{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:12px;margin:12px 0 16px}
.fact{padding:12px 14px}
.fact dt{color:var(--soft);font-size:.85rem}
.fact dd{margin:0;font-size:1.5rem;font-weight:620;line-height:1.25}
.fact .explanation{font-size:.8rem;font-weight:400;color:var(--soft)}
.samples{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px;align-items:start}
.sample{padding:16px 18px;min-width:0}
.sample ol{list-style:none;margin:10px 0 0;padding:0}
.sample li{display:grid;grid-template-columns:4.4em 1fr;gap:12px;padding:8px 0;border-top:1px solid var(--faint)}
.sample li>div{min-width:0}
.prompt,.reply,.verdict{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}
.verdict{font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--soft);margin-top:4px}
.score{height:fit-content;text-align:center;padding:1px 8px;border-radius:6px;font-weight:600;background:rgb(var(--tint)/calc(.08 + var(--share)*.34))}
.score.none{background:var(--faint);color:var(--soft);font-weight:400;font-size:.8rem}
.counters{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:16px;align-items:start}
.counters table{padding:14px 18px;border-collapse:separate;border-spacing:0}
.counters caption{padding:0 0 6px 2px}
.counters tr>:first-child{padding-left:14px}
.counters tr:first-child>*{border-top:0}
footer{color:var(--soft);font-size:.85rem;margin-top:56px;padding-bottom:40px}
@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--faint:#ddd;--edge:#bbb;--first:#1d4bbd;--second:#a8470f;--third:#0b6650;--quiet:#888;--tint:29 75 189;color-scheme:light}
body{font-size:10pt}nav,details:not([open])>summary{display:none}.scroll,.chart.wide{overflow:visible}
.scroll th,.scroll td{padding:3px 6px;font-size:8.5pt;white-space:normal}.heat{min-width:0}.chart.wide svg{min-width:0}.hint{break-after:avoid}
main,header,footer{max-width:none;padding:0}
.chart,.sample,.log,.fact,table{break-inside:avoid}h2,h3{break-after:avoid}
.charts{grid-template-columns:1fr 1fr}.samples{grid-template-columns:1fr 1fr}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`)
