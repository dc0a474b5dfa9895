//! What the device does with each format.

use ash::vk;

use super::asked::{Asked, Facts, flags};

pub fn tell(asked: &Asked, facts: &mut Facts) {
    for format in asked.formats() {
        let mut three = vk::FormatProperties3::default();
        let mut properties = vk::FormatProperties2::default().push_next(&mut three);
        // SAFETY: a valid handle, structs made here.
        unsafe { asked.instance.get_physical_device_format_properties2(asked.physical, format, &mut properties) };
        let two = properties.format_properties;
        let mut one = |what: &str, features: String| {
            if features != "-" {
                facts.tell(format!("Formats/{format:?}/{what}"), features);
            }
        };
        one("linear", flags(two.linear_tiling_features));
        one("optimal", flags(two.optimal_tiling_features));
        one("buffer", flags(two.buffer_features));
        one("linear2", flags(three.linear_tiling_features));
        one("optimal2", flags(three.optimal_tiling_features));
        one("buffer2", flags(three.buffer_features));
    }
}
