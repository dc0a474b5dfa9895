//! What the planner must know of a device.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::image::Dimensions;
use crate::texels::Texels;

/// What can be done with images of a format and tiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// By number of dimensions, whether such images can be made and copied.
    pub made: [bool; 3],
    /// With four samples, to draw to.
    pub samples: bool,
    pub blit_from: bool,
    pub blit_to: bool,
    /// Blits may filter.
    pub smooth: bool,
    /// To draw to, as color or depth and stencil.
    pub attachment: bool,
    /// The host's processor can copy them.
    pub host: bool,
}

impl Abilities {
    pub fn makes(&self, dimensions: Dimensions) -> bool {
        self.made[dimensions as usize]
    }

    fn and(self, other: Self) -> Self {
        Self {
            made: [0, 1, 2].map(|i| self.made[i] && other.made[i]),
            samples: self.samples && other.samples,
            blit_from: self.blit_from && other.blit_from,
            blit_to: self.blit_to && other.blit_to,
            smooth: self.smooth && other.smooth,
            attachment: self.attachment && other.attachment,
            host: self.host && other.host,
        }
    }
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// All queues: their families and the indices in them.
    pub queues: Vec<(u32, u32)>,
    /// For each queue family whether it draws and whether it computes.
    pub families: Vec<(bool, bool)>,
    /// The second forms of commands that bind (VK_KHR_maintenance6).
    pub second_binds: bool,
    /// VK_EXT_primitives_generated_query.
    pub primitives: bool,
    /// VK_EXT_transform_feedback.
    pub captures: bool,
    /// For each of [`Texels`], what can be done with optimal and with linear images.
    pub formats: Vec<[Abilities; 2]>,
}

impl Facts {
    /// The queue families that queues are made of.
    pub fn family_count(&self) -> u32 {
        self.queues.iter().map(|(f, _)| f + 1).max().unwrap_or(0)
    }

    pub fn abilities(&self, texels: Texels, linear: bool) -> Abilities {
        self.formats.get(texels as usize).map_or(Abilities::default(), |all| all[usize::from(linear)])
    }

    /// What these have and others haven't, in words.
    pub fn beyond(&self, less: &Self) -> String {
        let commands = [
            (self.second_binds && !less.second_binds, "VK_KHR_maintenance6"),
            (self.primitives && !less.primitives, "VK_EXT_primitives_generated_query"),
            (self.captures && !less.captures, "VK_EXT_transform_feedback"),
        ];
        let commands = commands.iter().filter(|(more, _)| *more).map(|(_, name)| (*name).to_owned());
        let formats = Texels::ALL.iter().filter(|t| self.formats.get(**t as usize) != less.formats.get(**t as usize));
        commands.chain(formats.map(|t| format!("uses of {:?}", t.format()))).collect::<Vec<_>>().join(", ")
    }

    /// What two drivers have in common: one of them may lack what its host's protocol can't carry.
    ///
    /// # Errors
    /// When their queues differ.
    pub fn and(&self, other: &Self) -> Result<Self> {
        ensure!(
            (&self.queues, &self.families) == (&other.queues, &other.families),
            "the queues are {:?} of {:?} instead of {:?} of {:?}",
            other.queues,
            other.families,
            self.queues,
            self.families
        );
        let formats = self.formats.iter().zip(&other.formats);
        Ok(Self {
            queues: self.queues.clone(),
            families: self.families.clone(),
            second_binds: self.second_binds && other.second_binds,
            primitives: self.primitives && other.primitives,
            captures: self.captures && other.captures,
            formats: formats.map(|(a, b)| [a[0].and(b[0]), a[1].and(b[1])]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_drivers_share_what_both_have_and_must_have_the_same_queues() {
        let able = Abilities { made: [true; 3], blit_to: true, host: true, ..Abilities::default() };
        let a = Facts { queues: vec![(0, 0)], primitives: true, formats: vec![[able; 2]], ..Facts::default() };
        let less = Abilities { made: [true, false, true], host: false, ..able };
        let b = Facts { primitives: false, formats: vec![[able, less]], ..a.clone() };
        let both = a.and(&b).unwrap();
        assert_eq!(both, b);
        assert_eq!(a.beyond(&b), "VK_EXT_primitives_generated_query, uses of R8G8B8A8_UNORM");
        assert_eq!(b.beyond(&a.and(&b).unwrap()), "");
        let other = Facts { queues: Vec::new(), ..a.clone() };
        assert!(a.and(&other).is_err());
    }
}
