//! What llama.cpp will see of the device.

use serde_json::json;

use super::device::found;
use crate::children::Capabilities;
use crate::doctor::finding::Finding;
use crate::doctor::seen::Machine;

/// Bytes that the smallest models in use take.
const FEW: u64 = 1 << 30;

/// Says what there is; what is missing makes llama.cpp slower, or leaves it too little memory.
pub fn check(machine: &Machine) -> Finding {
    match found::<Capabilities>(machine, "capabilities", "what the device has") {
        Ok(c) => judge(&c).with(json!(c)),
        Err(finding) => finding,
    }
}

fn judge(c: &Capabilities) -> Finding {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
    let free = c
        .free_memory
        .map_or_else(|| format!("{} of memory", gib(c.memory)), |f| format!("{} of {} free", gib(f), gib(c.memory)));
    let has = |name: &str, there: bool| if there { name.to_owned() } else { format!("no {name}") };
    let dot = match (c.int8_dot, c.int8_dot_accelerated) {
        (true, true) => "int8 dot",
        (true, false) => "int8 dot (not accelerated)",
        (false, _) => "no int8 dot",
    };
    let matrices = match (c.cooperative_matrix, c.cooperative_matrix2) {
        (_, true) => "matrix cores (2)",
        (true, false) => "matrix cores",
        (false, false) => "no matrix cores",
    };
    let found = match c.found_by_trying.is_empty() {
        true => String::new(),
        false => format!("; found by trying: {}", c.found_by_trying.join(", ")),
    };
    let why = format!(
        "{free}, subgroups of {}, {}, {dot}, {matrices}, {}{found}",
        c.subgroup_size,
        has("fp16", c.fp16),
        has("bf16", c.bfloat16),
    );
    match c.free_memory.unwrap_or(c.memory) {
        free if free < FEW => {
            Finding::warn(why, "end other programs that use the GPU, or take a smaller model: little memory is free")
        }
        _ => Finding::pass(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    #[test]
    fn little_memory_is_warned_of() {
        let c = Capabilities {
            memory: 8 << 30,
            free_memory: Some(6 << 30),
            max_allocation: 4 << 30,
            subgroup_size: 32,
            shared_memory: 49152,
            fp16: true,
            int8_dot: true,
            int8_dot_accelerated: false,
            cooperative_matrix: true,
            cooperative_matrix2: false,
            bfloat16: false,
            found_by_trying: vec!["VK_NV_shader_sm_builtins".into()],
            extensions: 100,
        };
        let finding = judge(&c);
        assert_eq!(finding.status, Status::Pass);
        let said = "6.0 GiB of 8.0 GiB free, subgroups of 32, fp16, int8 dot (not accelerated), matrix cores, no bf16; found by trying: VK_NV_shader_sm_builtins";
        assert_eq!(finding.why, said);
        assert_eq!(judge(&Capabilities { free_memory: Some(100 << 20), ..c }).status, Status::Warn);
    }
}
