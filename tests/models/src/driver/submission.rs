//! The order of submissions, with nothing in place of what takes a host to be made and plays no part in the models.

#[path = "../../../../icd/src/submission/order.rs"]
pub mod order;
#[path = "../../../../icd/src/submission/updates.rs"]
pub mod updates;

pub mod crossing {
    #[derive(Default)]
    pub struct Crossing;
}

pub mod mark {
    pub struct Mark;
}
