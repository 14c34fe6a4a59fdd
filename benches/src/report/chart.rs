//! Line charts and dot plots as SVG. Colours are variables of the page, so that it can be light or dark.

use std::fmt::{Display, Write as _};

/// Some lines over the same axes.
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// A value of y to which all others relate, and what it means.
    pub(super) reference: Option<(f64, &'static str)>,
}

pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) is_logarithmic: bool,
    pub(super) show: fn(f64) -> String,
    /// Where marks have to be; between the ends if there are none.
    pub(super) marks: Vec<f64>,
}

pub(super) struct Line {
    pub(super) name: String,
    /// The class of its colour.
    pub(super) class: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point was measured, and is marked.
    pub(super) is_marked: bool,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

impl Chart {
    /// The picture and its legend.
    pub(super) fn html(&self) -> String {
        let mut out = String::new();
        put(
            &mut out,
            format_args!(
                "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{} against {}'>",
                escape(self.y.label),
                escape(self.x.label)
            ),
        );
        let xs = Scale::new(
            &self.x,
            self.all(|point| point.0),
            LEFT,
            WIDTH - RIGHT,
            0.02,
        );
        let ys = Scale::new(
            &self.y,
            self.all(|point| point.1),
            HEIGHT - BOTTOM,
            TOP,
            0.05,
        );
        self.grid(&mut out, &xs, &ys);
        if let Some((value, meaning)) = self.reference {
            let y = ys.place(value);
            put(
                &mut out,
                format_args!(
                    "<line class='reference' x1='{LEFT}' x2='{}' y1='{y:.1}' y2='{y:.1}'/>\
                     <text class='note' x='{}' y='{:.1}'>{meaning}</text>",
                    WIDTH - RIGHT,
                    LEFT + 6.0,
                    y - 6.0
                ),
            );
        }
        for line in &self.lines {
            line.draw(&mut out, &xs, &ys);
        }
        out.push_str("</svg><p class='legend'>");
        for line in &self.lines {
            put(
                &mut out,
                format_args!(
                    "<span><svg viewBox='0 0 26 10'><line class='{0}' x1='1' x2='25' y1='5' y2='5'/></svg>{1}</span> ",
                    line.class,
                    escape(&line.name)
                ),
            );
        }
        out.push_str("</p>");
        out
    }

    fn all(&self, part: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        let points = self.lines.iter().flat_map(|line| &line.points);
        points
            .map(part)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
                (low.min(it), high.max(it))
            })
    }

    fn grid(&self, out: &mut String, xs: &Scale, ys: &Scale) {
        for mark in ys.marks(&self.y) {
            let y = ys.place(mark);
            put(
                out,
                format_args!(
                    "<line class='grid' x1='{LEFT}' x2='{}' y1='{y:.1}' y2='{y:.1}'/>\
                     <text x='{}' y='{:.1}' text-anchor='end'>{}</text>",
                    WIDTH - RIGHT,
                    LEFT - 7.0,
                    y + 4.0,
                    (self.y.show)(mark)
                ),
            );
        }
        let bottom = HEIGHT - BOTTOM;
        for mark in xs.marks(&self.x) {
            let x = xs.place(mark);
            put(
                out,
                format_args!(
                    "<line class='grid' x1='{x:.1}' x2='{x:.1}' y1='{TOP}' y2='{bottom}'/>\
                     <text x='{x:.1}' y='{}' text-anchor='middle'>{}</text>",
                    bottom + 17.0,
                    (self.x.show)(mark)
                ),
            );
        }
        let middle = f64::midpoint(TOP, bottom);
        put(
            out,
            format_args!(
                "<text class='axis' x='{}' y='{}' text-anchor='middle'>{}</text>\
                 <text class='axis' transform='translate(14 {middle}) rotate(-90)' text-anchor='middle'>{}</text>",
                f64::midpoint(LEFT, WIDTH - RIGHT),
                HEIGHT - 8.0,
                escape(self.x.label),
                escape(self.y.label)
            ),
        );
    }
}

impl Line {
    fn draw(&self, out: &mut String, xs: &Scale, ys: &Scale) {
        let places: Vec<_> = self
            .points
            .iter()
            .map(|(x, y)| (xs.place(*x), ys.place(*y)))
            .collect();
        let path: Vec<_> = places
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        put(
            out,
            format_args!(
                "<polyline class='{}' points='{}'><title>{}</title></polyline>",
                self.class,
                path.join(" "),
                escape(&self.name)
            ),
        );
        if self.is_marked {
            for (x, y) in places {
                put(
                    out,
                    format_args!(
                        "<circle class='{}' cx='{x:.1}' cy='{y:.1}' r='3'/>",
                        self.class
                    ),
                );
            }
        }
    }
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    is_logarithmic: bool,
}

impl Scale {
    fn new(axis: &Axis, (low, high): (f64, f64), start: f64, end: f64, margin: f64) -> Self {
        let mut scale = Self {
            low,
            high,
            start,
            end,
            is_logarithmic: axis.is_logarithmic,
        };
        if !axis.is_logarithmic {
            scale.low = scale.low.min(0.0);
        }
        let (low, high) = (scale.on(scale.low), scale.on(scale.high));
        let room = (high - low).max(1e-9) * margin;
        scale.high = scale.off(high + room);
        if axis.is_logarithmic {
            scale.low = scale.off(low - room);
        }
        scale
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.on(self.low), self.on(self.high));
        let part = (self.on(value.clamp(self.low, self.high)) - low) / (high - low);
        part.mul_add(self.end - self.start, self.start)
    }

    fn marks(&self, axis: &Axis) -> Vec<f64> {
        let is_inside = |mark: &f64| (self.low..=self.high).contains(mark);
        if !axis.marks.is_empty() {
            return axis.marks.iter().copied().filter(is_inside).collect();
        }
        if self.is_logarithmic {
            let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let steps: &[f64] = match (self.high / self.low).log10() {
                ..0.8 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
                ..2.2 => &[1.0, 2.0, 5.0],
                _ => &[1.0],
            };
            let marks =
                decades.flat_map(|decade| steps.iter().map(move |it| it * 10_f64.powi(decade)));
            return marks.filter(is_inside).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|it| it * decade)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        (0..20)
            .map(|it| f64::from(it) * step)
            .filter(is_inside)
            .collect()
    }

    fn on(&self, value: f64) -> f64 {
        if self.is_logarithmic {
            value.log10()
        } else {
            value
        }
    }

    fn off(&self, value: f64) -> f64 {
        if self.is_logarithmic {
            10_f64.powf(value)
        } else {
            value
        }
    }
}

/// One dot of a plot of ratios.
pub(super) struct Dot {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) ratio: f64,
    pub(super) is_clear: bool,
    /// Whether the good side of 1 is the right one.
    pub(super) more_is_better: bool,
}

/// How many times as good as the best peer each is: to the right of 1 is better.
pub(super) fn dots(dots: &[Dot]) -> String {
    const ROW: f64 = 19.0;
    const NAMES: f64 = 308.0;
    const VALUES: f64 = 60.0;
    let height = (dots.len() as f64).mul_add(ROW, 44.0);
    let bottom = height - 26.0;
    let gains: Vec<_> = dots
        .iter()
        .map(|dot| {
            if dot.more_is_better {
                dot.ratio
            } else {
                1.0 / dot.ratio
            }
        })
        .collect();
    let low = gains.iter().copied().fold(0.5, f64::min);
    let high = gains.iter().copied().fold(2.0, f64::max);
    let axis = Axis {
        label: "",
        is_logarithmic: true,
        show: |value| format!("{value}x"),
        marks: if high / low > 200.0 {
            vec![0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]
        } else {
            vec![0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
        },
    };
    let xs = Scale::new(&axis, (low, high), NAMES, WIDTH - VALUES, 0.03);
    let mut out = format!(
        "<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='gain over the best peer'>"
    );
    for mark in xs.marks(&axis) {
        let x = xs.place(mark);
        let class = if mark == 1.0 { "reference" } else { "grid" };
        put(
            &mut out,
            format_args!(
                "<line class='{class}' x1='{x:.1}' x2='{x:.1}' y1='8' y2='{bottom}'/>\
                 <text x='{x:.1}' y='{}' text-anchor='middle'>{}</text>",
                bottom + 17.0,
                (axis.show)(mark)
            ),
        );
    }
    let one = xs.place(1.0);
    for (index, (dot, gain)) in dots.iter().zip(gains).enumerate() {
        let y = (index as f64).mul_add(ROW, 20.0);
        let x = xs.place(gain);
        let class = match (dot.is_clear, gain >= 1.0) {
            (false, _) => "unclear",
            (true, true) => "gain",
            (true, false) => "loss",
        };
        let shown = if gain >= 10.0 {
            format!("{gain:.0}x")
        } else {
            format!("{gain:.2}x")
        };
        let about = if dot.is_clear { "" } else { "~" };
        put(
            &mut out,
            format_args!(
                "<g><title>{}</title><text x='4' y='{:.1}'>{} {}</text>\
                 <line class='stem {class}' x1='{one:.1}' x2='{x:.1}' y1='{y:.1}' y2='{y:.1}'/>\
                 <circle class='dot {class}' cx='{x:.1}' cy='{y:.1}' r='4.5'/>\
                 <text x='{}' y='{:.1}' text-anchor='end'>{about}{shown}</text></g>",
                escape(&dot.detail),
                y + 4.0,
                escape(&dot.name),
                escape(&shortened(&dot.title, 44 - dot.name.len())),
                WIDTH - 4.0,
                y + 4.0,
            ),
        );
    }
    out.push_str("</svg>");
    out
}

fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length - 1).collect();
    format!("{}…", kept.trim_end())
}

/// What is text in the page.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}

pub(super) fn put(out: &mut String, text: impl Display) {
    write!(out, "{text}").expect("a string can be written to");
}

#[cfg(test)]
mod tests {
    use super::{Axis, Scale, escape};

    fn axis(is_logarithmic: bool) -> Axis {
        Axis {
            label: "",
            is_logarithmic,
            show: |value| value.to_string(),
            marks: Vec::new(),
        }
    }

    #[test]
    fn a_linear_axis_begins_at_zero() {
        let axis = axis(false);
        let scale = Scale::new(&axis, (3.0, 10.0), 100.0, 0.0, 0.0);
        assert_eq!((scale.place(0.0), scale.place(10.0)), (100.0, 0.0));
        assert_eq!(scale.marks(&axis), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn a_logarithmic_axis_marks_the_decades() {
        let axis = axis(true);
        let scale = Scale::new(&axis, (1.0, 1000.0), 0.0, 300.0, 0.0);
        assert!((scale.place(10.0) - 100.0).abs() < 1e-6);
        assert_eq!(scale.marks(&axis).len(), 4);
    }

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escape("<a & 'b'>"), "&lt;a &amp; &#39;b&#39;&gt;");
    }
}
