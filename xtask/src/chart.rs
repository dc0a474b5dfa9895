//! Pictures for the documents: bars beside their names.

use anyhow::{Result, anyhow, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub const WIDTH: u32 = 900;
pub const ROW: u32 = 22;
/// Above and below the bars: a title, the scale.
const TITLE: u32 = 34;
const SCALE: u32 = 30;
/// To the right of the longest bar, for its number.
const NUMBERS: u32 = 60;
pub const FONT: (&str, u32) = ("sans-serif", 13);
pub const TITLE_FONT: (&str, u32) = ("sans-serif", 16);

const GOOD: RGBColor = RGBColor(0x2a, 0x7f, 0x62);
const BAD: RGBColor = RGBColor(0xb5, 0x53, 0x3c);
const PLAIN: RGBColor = RGBColor(0x8a, 0x8f, 0x98);
const OTHER: RGBColor = RGBColor(0xd0, 0x9a, 0x3c);

/// Ratios are drawn from this to that many times as fast.
const SLOWEST: f64 = 0.1;
const FASTEST: f64 = 100.0;
/// Bars of less than this ratio would have no width.
const THIN: f64 = 0.99;

/// How many times as fast as Mesa's driver each call is, on a logarithmic scale, the fastest first. `ratios` are times: this
/// driver's over Mesa's.
///
/// # Errors
/// When there is nothing to draw.
pub fn calls(ratios: &[(String, f64)]) -> Result<String> {
    let mut rows: Vec<(&str, f64)> = ratios.iter().map(|(name, r)| (name.as_str(), 1.0 / r)).collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    let n = rows.len() as i32;
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (WIDTH, TITLE + SCALE + ROW * rows.len() as u32)).into_drawing_area();
        let labels = name_width(&names)?;
        let draw = || -> Result<(), DrawingAreaErrorKind<_>> {
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption("Times as fast as Mesa's venus driver", TITLE_FONT)
                .x_label_area_size(SCALE)
                .y_label_area_size(labels)
                .margin_right(NUMBERS)
                .build_cartesian_2d(
                    (SLOWEST..FASTEST).log_scale().base(10.0).with_key_points(vec![0.1, 1.0, 10.0, 100.0]),
                    (0..n).into_segmented(),
                )?;
            chart
                .configure_mesh()
                .disable_y_mesh()
                .set_tick_mark_size(LabelAreaPosition::Left, 0)
                .light_line_style(TRANSPARENT)
                .y_labels(rows.len())
                .y_label_formatter(&|y| name_at(&names, y))
                .x_label_formatter(&|x| short(*x))
                .label_style(FONT)
                .draw()?;
            for (i, (_, speed)) in (0..).zip(&rows) {
                let x = speed.clamp(SLOWEST, FASTEST);
                let mut bar = Rectangle::new(
                    [(x.min(THIN), SegmentValue::Exact(i)), (x.max(1.0), SegmentValue::Exact(i + 1))],
                    (if *speed >= 0.9 { GOOD } else { BAD }).filled(),
                );
                bar.set_margin(4, 4, 0, 0);
                chart.draw_series([bar])?;
                chart.draw_series([number(&short(*speed), x.max(1.0), i)])?;
            }
            chart.draw_series([PathElement::new(
                [(1.0, SegmentValue::Exact(0)), (1.0, SegmentValue::Exact(n))],
                BLACK,
            )])?;
            area.present()
        };
        draw().map_err(|e| anyhow!("drawing: {e}"))?;
    }
    Ok(svg)
}

/// Tokens a second of one model.
pub struct Tokens {
    pub name: String,
    pub native: f64,
    pub mesa: Option<f64>,
    pub hesper: f64,
}

/// Tokens a second on the three drivers, one panel below the other, each with a scale of its own.
///
/// # Errors
/// When there is nothing to draw.
pub fn tokens<T: AsRef<str>>(panels: &[(T, Vec<Tokens>)]) -> Result<String> {
    let height = |rows: usize| TITLE + SCALE + ROW * GROUP * rows as u32;
    let all: u32 = panels.iter().map(|(_, rows)| height(rows.len())).sum();
    let names: Vec<&str> = panels.iter().flat_map(|(_, rows)| rows.iter().map(|r| r.name.as_str())).collect();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, all + ROW)).into_drawing_area();
        let labels = name_width(&names)?;
        let draw = || -> Result<(), DrawingAreaErrorKind<_>> {
            area.fill(&WHITE)?;
            let (legend, mut rest) = area.split_vertically(ROW);
            draw_legend(&legend, labels as i32)?;
            for (title, rows) in panels {
                let (panel, below) = rest.split_vertically(height(rows.len()));
                rest = below;
                draw_panel(&panel, title.as_ref(), rows, labels)?;
            }
            area.present()
        };
        draw().map_err(|e| anyhow!("drawing: {e}"))?;
    }
    Ok(svg)
}

/// A measurement of two numbers.
pub struct Point {
    pub name: String,
    pub x: f64,
    pub y: f64,
}

/// Points joined by a line, and points of others beside them, each with its name. `axes` names x and y.
///
/// # Errors
/// When there is nothing to draw.
pub fn curve(title: &str, axes: [&str; 2], joined: &[Point], others: &[Point]) -> Result<String> {
    let all = || joined.iter().chain(others);
    let [right, top] = [|p: &Point| p.x, |p: &Point| p.y].map(|of| all().map(of).fold(0.0, f64::max) * 1.15);
    ensure!(right > 0.0 && top > 0.0, "nothing to draw");
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, WIDTH / 2)).into_drawing_area();
        let draw = || -> Result<(), DrawError<'_>> {
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(title, TITLE_FONT)
                .margin(SCALE / 3)
                .x_label_area_size(SCALE + ROW)
                .y_label_area_size(2 * SCALE)
                .build_cartesian_2d(0.0..right, 0.0..top)?;
            chart
                .configure_mesh()
                .x_desc(axes[0])
                .y_desc(axes[1])
                .label_style(FONT)
                .light_line_style(TRANSPARENT)
                .draw()?;
            chart.draw_series([PathElement::new(joined.iter().map(|p| (p.x, p.y)).collect::<Vec<_>>(), GOOD)])?;
            for (points, color) in [(joined, GOOD), (others, OTHER)] {
                chart.draw_series(points.iter().map(|p| Circle::new((p.x, p.y), 4, color.filled())))?;
            }
            let style = TextStyle::from(FONT.into_font()).pos(Pos::new(HPos::Left, VPos::Bottom));
            chart.draw_series(all().map(|p| Text::new(format!("\u{a0}{}", p.name), (p.x, p.y), style.clone())))?;
            area.present()
        };
        draw().map_err(|e| anyhow!("drawing: {e}"))?;
    }
    Ok(svg)
}

/// Rows of a model: three bars and a gap.
const GROUP: u32 = 4;
pub const DRIVERS: [(&str, RGBColor); 3] = [("native", PLAIN), ("Mesa's venus", OTHER), ("Hesper", GOOD)];

pub type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
pub type DrawError<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// The drivers' colors, and what they are.
pub fn draw_legend<'a>(area: &Area<'a>, from: i32) -> Result<(), DrawError<'a>> {
    for (i, (name, color)) in (0..).zip(DRIVERS) {
        let x = from + i * 140;
        area.draw(&Rectangle::new([(x, 6), (x + 14, 18)], color.filled()))?;
        let style = TextStyle::from(FONT.into_font()).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name, (x + 20, 12), style))?;
    }
    Ok(())
}

fn draw_panel<'a>(area: &Area<'a>, title: &str, rows: &[Tokens], labels: u32) -> Result<(), DrawError<'a>> {
    let n = (rows.len() as u32 * GROUP) as i32;
    let longest = rows.iter().flat_map(|r| [r.native, r.mesa.unwrap_or(0.0), r.hesper]).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE_FONT)
        .x_label_area_size(SCALE)
        .y_label_area_size(labels)
        .margin_right(NUMBERS)
        .build_cartesian_2d(0.0..longest, (0..n).into_segmented())?;
    // From the top: slot 0 of a group is its gap, 3 its first bar.
    let slot = |group: usize, bar: usize| n - ((group as u32 * GROUP) as i32) - 1 - bar as i32;
    let name = |y: &SegmentValue<i32>| match y {
        SegmentValue::CenterOf(i) if (n - 1 - i) % GROUP as i32 == 1 => {
            rows.get(((n - 1 - i) / GROUP as i32) as usize).map_or(String::new(), |r| format!("{}\u{a0}", r.name))
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .set_tick_mark_size(LabelAreaPosition::Left, 0)
        .light_line_style(TRANSPARENT)
        .y_labels(n as usize)
        .y_label_formatter(&name)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style(FONT)
        .draw()?;
    for (group, row) in rows.iter().enumerate() {
        for (bar, (value, (_, color))) in
            [Some(row.native), row.mesa, Some(row.hesper)].into_iter().zip(DRIVERS).enumerate()
        {
            let Some(value) = value else { continue };
            let i = slot(group, bar);
            let mut drawn =
                Rectangle::new([(0.0, SegmentValue::Exact(i)), (value, SegmentValue::Exact(i + 1))], color.filled());
            drawn.set_margin(2, 2, 0, 0);
            chart.draw_series([drawn])?;
            chart.draw_series([number(&format!("{value:.0}"), value, i)])?;
        }
    }
    Ok(())
}

/// A number to the right of a bar's end.
fn number(text: &str, x: f64, row: i32) -> Text<'static, (f64, SegmentValue<i32>), String> {
    let style = TextStyle::from(FONT.into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    // A space that isn't dropped at the start of a text, as at the end of names.
    Text::new(format!("\u{a0}{text}"), (x, SegmentValue::CenterOf(row)), style)
}

fn name_at(names: &[&str], y: &SegmentValue<i32>) -> String {
    match y {
        SegmentValue::CenterOf(i) => format!("{}\u{a0}", names.get(*i as usize).copied().unwrap_or_default()),
        _ => String::new(),
    }
}

fn short(number: f64) -> String {
    if number > FASTEST {
        format!("over {FASTEST}")
    } else if number >= 10.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}

/// Room for the longest name, in pixels. Without the font itself a wide one is assumed: 0.62 of its height for a letter.
fn name_width(names: &[&str]) -> Result<u32> {
    let longest = names.iter().map(|n| n.chars().count()).max().ok_or_else(|| anyhow!("nothing to draw"))?;
    Ok((longest as f64 * f64::from(FONT.1) * 0.62) as u32 + 16)
}
