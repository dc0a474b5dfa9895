//! How C names turn into Rust names.

/// `maxImageDimension1D` to `max_image_dimension1_d`, `pQueueInfos` to `p_queue_infos`, `type` to `ty`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        if c.is_ascii_uppercase() {
            let after_lower = i > 0 && (chars[i - 1].is_ascii_lowercase() || chars[i - 1].is_ascii_digit());
            let ends_acronym =
                i > 0 && chars[i - 1].is_ascii_uppercase() && chars.get(i + 1).is_some_and(|n| n.is_ascii_lowercase());
            if after_lower || ends_acronym {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(*c);
        }
    }
    match out.as_str() {
        "type" => "ty".into(),
        "ref" | "mut" | "use" | "in" | "match" | "move" => format!("{out}_"),
        _ => out,
    }
}

/// `vkCmdDraw` to `cmd_draw`.
pub fn command(name: &str) -> String {
    snake(name.strip_prefix("vk").unwrap_or(name))
}

/// `VkImage` to `Image`.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("Vk").unwrap_or(name)
}

/// `VkImageCreateInfo` to `image_create_info`, as the encoders of structs are called.
pub fn function(c_name: &str) -> String {
    snake(bare(c_name))
}
