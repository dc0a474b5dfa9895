//! Bars for the documents: how many times as fast as Mesa's driver each row is, on a logarithmic scale.

use std::fmt::Write as _;

const ROW: usize = 22;
const LABELS: usize = 300;
const BARS: usize = 420;
/// The scale ends at this many times faster or slower.
const END: f64 = 100.0;

/// An SVG of ratios (time of this driver over time of Mesa's; below 1 is better).
pub fn svg(ratios: &[(String, f64)]) -> String {
    let (width, height) = (LABELS + BARS + 80, ROW * (ratios.len() + 2));
    let x =
        |speed: f64| LABELS as f64 + BARS as f64 * (0.5 + speed.clamp(1.0 / END, END).log10() / (2.0 * END.log10()));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{:.0}\" y=\"15\" text-anchor=\"middle\">times as fast as Mesa's venus driver</text>\n",
        x(1.0)
    );
    for (i, (name, ratio)) in ratios.iter().enumerate() {
        let (speed, y) = (1.0 / ratio, ROW * (i + 1));
        let (from, to) = (x(1.0).min(x(speed)), x(1.0).max(x(speed)));
        let color = if speed >= 0.9 { "#2a7f62" } else { "#b5533c" };
        // Writing into a String can't fail.
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            LABELS - 8,
            y + 15,
            escape(name),
            y + 4,
            (to - from).max(1.0),
            to + 5.0,
            y + 15,
            if speed >= 10.0 { format!("{speed:.0}") } else { format!("{speed:.2}") },
        );
    }
    let _ = writeln!(
        out,
        "<line x1=\"{0:.1}\" y1=\"{ROW}\" x2=\"{0:.1}\" y2=\"{1}\" stroke=\"black\"/>\n</svg>",
        x(1.0),
        height - ROW
    );
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
