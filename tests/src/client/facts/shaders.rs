//! Lists that extensions' own commands return: cooperative matrices, time domains, shading rates, sample locations, tools.

use anyhow::Result;
use ash::vk;

use super::asked::{Asked, Facts, flags};

pub fn tell(asked: &Asked, facts: &mut Facts) -> Result<()> {
    let (entry, instance, physical) = (&asked.entry, &asked.instance, asked.physical);
    if asked.has(ash::khr::cooperative_matrix::NAME) {
        let matrices = ash::khr::cooperative_matrix::Instance::new(entry, instance);
        // SAFETY: a valid handle of a device with the extension.
        let list = unsafe { matrices.get_physical_device_cooperative_matrix_properties(physical) }?;
        for (i, m) in list.iter().enumerate() {
            let value = format!(
                "{}x{}x{} {:?} * {:?} + {:?} = {:?}, saturating {}, {:?}",
                m.m_size,
                m.n_size,
                m.k_size,
                m.a_type,
                m.b_type,
                m.c_type,
                m.result_type,
                m.saturating_accumulation,
                m.scope
            );
            facts.tell(format!("Cooperative matrices/{i}"), value);
        }
    }
    if asked.has(ash::khr::calibrated_timestamps::NAME) {
        let clocks = ash::khr::calibrated_timestamps::Instance::new(entry, instance);
        // SAFETY: as above.
        let domains = unsafe { clocks.get_physical_device_calibrateable_time_domains(physical) }?;
        facts.tell("Time domains/KHR".to_owned(), format!("{domains:?}"));
    }
    if asked.has(ash::ext::calibrated_timestamps::NAME) {
        let clocks = ash::ext::calibrated_timestamps::Instance::new(entry, instance);
        // SAFETY: as above.
        let domains = unsafe { clocks.get_physical_device_calibrateable_time_domains(physical) }?;
        facts.tell("Time domains/EXT".to_owned(), format!("{domains:?}"));
    }
    if asked.has(ash::khr::fragment_shading_rate::NAME) {
        let rates = ash::khr::fragment_shading_rate::Instance::new(entry, instance);
        let get = rates.fp().get_physical_device_fragment_shading_rates_khr;
        let mut n = 0;
        // SAFETY: as above; asked for the count alone.
        unsafe { get(physical, &mut n, std::ptr::null_mut()) }.result()?;
        let mut list = vec![vk::PhysicalDeviceFragmentShadingRateKHR::default(); n as usize];
        // SAFETY: as above; room for `n` elements.
        unsafe { get(physical, &mut n, list.as_mut_ptr()) }.result()?;
        for (i, r) in list.iter().enumerate() {
            let size = r.fragment_size;
            let value = format!("{}x{}, samples {}", size.width, size.height, flags(r.sample_counts));
            facts.tell(format!("Fragment shading rates/{i}"), value);
        }
    }
    if asked.has(ash::ext::sample_locations::NAME) {
        let locations = ash::ext::sample_locations::Instance::new(entry, instance);
        for samples in [1, 2, 4, 8, 16].map(vk::SampleCountFlags::from_raw) {
            let mut p = vk::MultisamplePropertiesEXT::default();
            // SAFETY: as above.
            unsafe { locations.get_physical_device_multisample_properties(physical, samples, &mut p) };
            let grid = p.max_sample_location_grid_size;
            facts.tell(format!("Sample locations/{samples:?}"), format!("{}x{}", grid.width, grid.height));
        }
    }
    Ok(())
}
