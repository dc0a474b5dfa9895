//! Pictures of how numbers went, run by run.

use anyhow::{Result, anyhow, ensure};
use hesper_rig::Driver;
use plotters::prelude::*;

use crate::chart::{DRIVERS, DrawError, FONT, ROW, TITLE_FONT, WIDTH, draw_legend};

const PANEL: u32 = 200;
const LABELS: u32 = 60;

/// A row over all runs.
#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    /// A line for a driver, with a number for each run in which it was measured.
    pub lines: Vec<(Driver, Vec<Option<f64>>)>,
}

/// Panels one below the other, each with a scale of its own that begins at 0. Those without a number are left out.
///
/// # Errors
/// When there is nothing to draw.
pub fn draw(panels: &[Panel]) -> Result<String> {
    let panels: Vec<&Panel> = panels.iter().filter(|p| p.highest() > 0.0).collect();
    ensure!(!panels.is_empty(), "nothing to draw");
    let mut svg = String::new();
    {
        let size = (WIDTH, ROW + PANEL * panels.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let draw = || -> Result<(), DrawError<'_>> {
            area.fill(&WHITE)?;
            let (legend, mut rest) = area.split_vertically(ROW);
            draw_legend(&legend, LABELS as i32)?;
            for panel in panels {
                let (area, below) = rest.split_vertically(PANEL);
                rest = below;
                let runs = panel.runs().max(2);
                let mut chart = ChartBuilder::on(&area)
                    .caption(&panel.title, TITLE_FONT)
                    .margin_right(ROW)
                    .x_label_area_size(ROW)
                    .y_label_area_size(LABELS)
                    .build_cartesian_2d(1..runs, 0.0..panel.highest() * 1.1)?;
                chart.configure_mesh().label_style(FONT).light_line_style(TRANSPARENT).y_labels(5).draw()?;
                for (driver, numbers) in &panel.lines {
                    let color = DRIVERS[*driver as usize].1;
                    let points: Vec<_> = (1..).zip(numbers).filter_map(|(x, y)| Some((x, (*y)?))).collect();
                    chart.draw_series([PathElement::new(points.clone(), color.stroke_width(2))])?;
                    chart.draw_series(points.into_iter().map(|p| Circle::new(p, 3, color.filled())))?;
                }
            }
            area.present()
        };
        draw().map_err(|e| anyhow!("drawing: {e}"))?;
    }
    Ok(svg)
}

impl Panel {
    fn highest(&self) -> f64 {
        self.lines.iter().flat_map(|(_, numbers)| numbers).flatten().copied().fold(0.0, f64::max)
    }

    fn runs(&self) -> i32 {
        let most = self.lines.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(0);
        i32::try_from(most).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_without_numbers_are_left_out() {
        let panel = |title: &str, numbers| Panel { title: title.to_owned(), lines: vec![(Driver::Hesper, numbers)] };
        let svg = draw(&[panel("some", vec![Some(1.0), None, Some(2.0)]), panel("none", vec![None])]).unwrap();
        assert!(svg.contains("some") && !svg.contains("none of") && svg.matches("<circle").count() == 2, "{svg}");
        assert!(draw(&[panel("none", vec![None])]).is_err());
    }
}
