//! QR codes of links, as SVG and PNG.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code. Source: ISO/IEC 18004, 4 modules.
const QUIET: usize = 4;
/// Pixels of a module in a PNG.
const SCALE: usize = 10;

/// What a code is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Sharp in every size.
    Svg,
    /// One bit a pixel, some 400 pixels wide.
    Png,
}

impl std::str::FromStr for Format {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "svg" => Ok(Format::Svg),
            "png" => Ok(Format::Png),
            _ => Err(()),
        }
    }
}

impl Format {
    /// For the header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Svg => "image/svg+xml",
            Format::Png => "image/png",
        }
    }

    /// Draws the code of `text`; `None` when it is too long for one (2331 bytes), or the picture cannot be made.
    #[must_use]
    pub fn draw(self, text: &str) -> Option<Vec<u8>> {
        // Level M is read with 15 % of it damaged, which is what posters get.
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let dark: Vec<bool> = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        match self {
            Format::Svg => Some(svg(&dark, width).into_bytes()),
            Format::Png => png(&dark, width),
        }
    }
}

fn svg(dark: &[bool], width: usize) -> String {
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in dark.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] {
                let (left, top, length) = (x + QUIET, y + QUIET, run.len());
                write!(path, "M{left} {top}h{length}v1h-{length}z")
                    .expect("a string takes whatever is written");
            }
            x += run.len();
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" width=\"{size}\" height=\"{size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>",
        size = side * SCALE
    )
}

fn png(dark: &[bool], width: usize) -> Option<Vec<u8>> {
    let side = (width + 2 * QUIET) * SCALE;
    let is_dark = |x: usize, y: usize| {
        let place = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < width);
        matches!((place(x), place(y)), (Some(x), Some(y)) if dark[y * width + x])
    };
    let mut bits = Vec::with_capacity(side.div_ceil(8) * side);
    for y in 0..side {
        for from in (0..side).step_by(8) {
            // A bit that is set is white.
            let byte = (0..8).fold(0u8, |byte, bit| byte << 1 | u8::from(!is_dark(from + bit, y)));
            bits.push(byte);
        }
    }
    let mut file = Vec::new();
    let size = u32::try_from(side).ok()?;
    let mut encoder = png::Encoder::new(&mut file, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&bits).ok()?;
    writer.finish().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://m.example.org/q/pK3v0bQ9xYt7Wm2RzLs5AhDe";

    #[test]
    fn both_pictures_show_the_same_code_with_a_quiet_zone() {
        let svg = String::from_utf8(Format::Svg.draw(LINK).unwrap()).unwrap();
        // 33 modules: version 4 holds 62 bytes at level M.
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("viewBox=\"0 0 41 41\""), "{svg}");
        let file = Format::Png.draw(LINK).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let mut bits = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bits).unwrap();
        assert_eq!((info.width, info.height), (410, 410));
        let white = |x: usize, y: usize| bits[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 1;
        for module in 0..41 {
            assert!(white(module * SCALE, 0) && white(39, module * SCALE), "the quiet zone is light");
        }
        // The finder patterns' corners, and a dark run that both must have.
        assert!(!white(40, 40) && !white(400 - 31, 40) && !white(40, 369));
        assert!(svg.contains("M4 4h7v1h-7z"), "{svg}");
        assert!(file.len() < 2000, "{} bytes", file.len());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Format::Svg.draw(&"x".repeat(3000)).is_none());
        assert!("gif".parse::<Format>().is_err());
    }
}
