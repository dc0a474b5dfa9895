use std::sync::Arc;

use ash::vk;
use ash::vk::{DescriptorPoolCreateFlags as F, DescriptorType as T};

use super::*;
use crate::descriptors::needs::Needs;

const FREE: F = F::FREE_DESCRIPTOR_SET;

fn pool(flags: F, sets: u32, sizes: &[(T, u32)]) -> PoolCount {
    let sizes: Vec<_> = sizes.iter().map(|(ty, n)| vk::DescriptorPoolSize { ty: *ty, descriptor_count: *n }).collect();
    let info = vk::DescriptorPoolCreateInfo::default().flags(flags).max_sets(sets).pool_sizes(&sizes);
    // SAFETY: the array outlives the call.
    unsafe { PoolCount::of(&info) }
}

/// A new layout's needs; the last binding has as many descriptors as the allocation says where it is `variable`.
fn needs(bindings: &[(T, u32)], variable: bool, converts: bool) -> Arc<Needs> {
    use vk::DescriptorBindingFlags as B;
    let binding = |(i, (ty, n)): (usize, &(T, u32))| {
        vk::DescriptorSetLayoutBinding::default().binding(i as u32).descriptor_type(*ty).descriptor_count(*n)
    };
    let bindings: Vec<_> = bindings.iter().enumerate().map(binding).collect();
    let mut flags = vec![B::empty(); bindings.len()];
    if let Some(last) = flags.last_mut().filter(|_| variable) {
        *last = B::VARIABLE_DESCRIPTOR_COUNT;
    }
    let mut flags = vk::DescriptorSetLayoutBindingFlagsCreateInfo::default().binding_flags(&flags);
    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).push_next(&mut flags);
    // SAFETY: the arrays outlive the call.
    Arc::new(unsafe { Needs::of(&info, |_| converts) })
}

/// The share of a set of a new layout whose numbers are all fixed.
fn share(bindings: &[(T, u32)]) -> Share {
    Share::new(needs(bindings, false, false), 0)
}

fn buffers(n: u32) -> Share {
    share(&[(T::STORAGE_BUFFER, n)])
}

/// What is taken, by kind in the pool's order.
fn taken(pool: &PoolCount) -> Vec<u64> {
    pool.stock.iter().map(|s| s.taken).collect()
}

#[test]
fn a_pool_gives_what_it_has_promised_and_no_more() {
    let two = buffers(2);
    // By sets, and by descriptors; sizes of one type are added.
    for (sets, sizes) in
        [(4, vec![(T::STORAGE_BUFFER, 100)]), (100, vec![(T::STORAGE_BUFFER, 5), (T::STORAGE_BUFFER, 4)])]
    {
        let mut p = pool(F::empty(), sets, &sizes);
        assert_eq!(p.take([&two; 3].into_iter()), Outlook::Promised);
        // Both or none of them.
        assert_eq!(p.take([&two; 2].into_iter()), Outlook::Exceeding);
        assert_eq!(taken(&p), [3, 6]);
        assert_eq!(p.take([&two].into_iter()), Outlook::Promised);
        assert_eq!(p.take([&two].into_iter()), Outlook::Exceeding);
        p.reset();
        assert_eq!(p.take([&two; 4].into_iter()), Outlook::Promised);
    }
}

#[test]
fn a_pool_has_nothing_of_other_types() {
    let mut p = pool(F::UPDATE_AFTER_BIND | F::HOST_ONLY_EXT, 9, &[(T::STORAGE_BUFFER, 9)]);
    let images = share(&[(T::STORAGE_BUFFER, 1), (T::STORAGE_IMAGE, 1)]);
    assert_eq!(p.take([&buffers(1), &images].into_iter()), Outlook::Exceeding);
    assert_eq!(taken(&p), [0, 0]);
    assert_eq!(p.take([&share(&[])].into_iter()), Outlook::Promised);
    assert_eq!(taken(&p), [1, 0]);
}

#[test]
fn inline_blocks_are_bytes_and_bindings() {
    let sizes = [vk::DescriptorPoolSize { ty: T::INLINE_UNIFORM_BLOCK, descriptor_count: 64 }];
    let mut blocks = vk::DescriptorPoolInlineUniformBlockCreateInfo::default().max_inline_uniform_block_bindings(3);
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(9).pool_sizes(&sizes).push_next(&mut blocks);
    // SAFETY: the arrays outlive the call.
    let mut p = unsafe { PoolCount::of(&info) };
    let block = |bytes| share(&[(T::INLINE_UNIFORM_BLOCK, bytes)]);
    assert_eq!(p.take([&block(32), &block(16)].into_iter()), Outlook::Promised);
    assert_eq!(p.take([&block(20)].into_iter()), Outlook::Exceeding);
    assert_eq!(p.take([&block(4)].into_iter()), Outlook::Promised);
    // There are bytes left, and no binding.
    assert_eq!(p.take([&block(4)].into_iter()), Outlook::Exceeding);
    assert_eq!(taken(&p), [3, 52, 3]);
    // Without the struct there are none.
    assert_eq!(pool(F::empty(), 9, &[(T::INLINE_UNIFORM_BLOCK, 64)]).take([&block(4)].into_iter()), Outlook::Exceeding);
}

#[test]
fn mutable_descriptors_come_from_what_may_become_the_same() {
    let lists = [&[T::UNIFORM_BUFFER, T::STORAGE_BUFFER][..], &[T::SAMPLED_IMAGE]];
    let lists = lists.map(|l| vk::MutableDescriptorTypeListEXT::default().descriptor_types(l));
    let sizes = [2, 1].map(|descriptor_count| vk::DescriptorPoolSize { ty: T::MUTABLE_EXT, descriptor_count });
    let share = |list: &[T]| {
        let lists = [vk::MutableDescriptorTypeListEXT::default().descriptor_types(list)];
        let mut mutable = vk::MutableDescriptorTypeCreateInfoEXT::default().mutable_descriptor_type_lists(&lists);
        let binding = vk::DescriptorSetLayoutBinding::default().descriptor_type(T::MUTABLE_EXT).descriptor_count(1);
        let bindings = [binding];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).push_next(&mut mutable);
        // SAFETY: the arrays outlive the call.
        Share::new(Arc::new(unsafe { Needs::of(&info, |_| false) }), 0)
    };
    let (buffer, image) = (share(&[T::STORAGE_BUFFER]), share(&[T::SAMPLED_IMAGE]));
    let mut mutable = vk::MutableDescriptorTypeCreateInfoEXT::default().mutable_descriptor_type_lists(&lists);
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(9).pool_sizes(&sizes).push_next(&mut mutable);
    // SAFETY: the arrays outlive the call.
    let mut listed = unsafe { PoolCount::of(&info) };
    assert_eq!(listed.take([&buffer, &image, &buffer].into_iter()), Outlook::Promised);
    for more in [&buffer, &image, &share(&[T::SAMPLER])] {
        assert_eq!(listed.take([more].into_iter()), Outlook::Exceeding);
    }
    assert_eq!(taken(&listed), [3, 2, 1]);
    let mut any = pool(F::empty(), 9, &[(T::MUTABLE_EXT, 2), (T::MUTABLE_EXT, 1)]);
    assert_eq!(any.take([&buffer, &image, &image].into_iter()), Outlook::Promised);
    assert_eq!(any.take([&buffer].into_iter()), Outlook::Exceeding);
}

#[test]
fn sets_take_the_number_that_their_allocation_says() {
    let layout = needs(&[(T::SAMPLED_IMAGE, 1), (T::SAMPLED_IMAGE, 1000)], true, false);
    let some = |n| Share::new(layout.clone(), n);
    let mut p = pool(F::empty(), 9, &[(T::SAMPLED_IMAGE, 10)]);
    assert_eq!(p.take([&some(8)].into_iter()), Outlook::Promised);
    assert_eq!(p.take([&some(1)].into_iter()), Outlook::Exceeding);
    assert_eq!(p.take([&some(0)].into_iter()), Outlook::Promised);
    assert_eq!(taken(&p), [2, 10]);
}

#[test]
fn where_sets_were_freed_only_equal_ones_are_promised() {
    let (two, three) = (buffers(2), buffers(3));
    let mut p = pool(FREE, 9, &[(T::STORAGE_BUFFER, 12)]);
    assert_eq!(p.take([&two; 5].into_iter()), Outlook::Promised);
    p.free(&two);
    assert_eq!((taken(&p), p.take([&two].into_iter())), (vec![4, 8], Outlook::Promised));
    p.free(&two);
    p.free(&two);
    assert_eq!(p.take([&three].into_iter()), Outlook::Open);
    assert_eq!(p.take([&two].into_iter()), Outlook::Open, "sets have differed");
    assert_eq!(p.take([&two].into_iter()), Outlook::Exceeding, "fragments or not");
    p.reset();
    assert_eq!(p.take([&three, &two, &three].into_iter()), Outlook::Promised, "nothing was freed since");
    p.free(&two);
    assert_eq!(p.take([&two].into_iter()), Outlook::Open);
    // Sets of one layout may differ, too.
    let layout = needs(&[(T::STORAGE_BUFFER, 100)], true, false);
    let [one, other] = [1, 2].map(|n| Share::new(layout.clone(), n));
    p.reset();
    assert_eq!(p.take([&one].into_iter()), Outlook::Promised);
    p.free(&one);
    assert_eq!(p.take([&one].into_iter()), Outlook::Promised);
    assert_eq!(p.take([&other].into_iter()), Outlook::Open);
}

#[test]
fn what_the_host_refuses_is_not_taken() {
    let (two, three) = (buffers(2), buffers(3));
    let mut p = pool(FREE, 9, &[(T::STORAGE_BUFFER, 5)]);
    assert_eq!(p.take([&two, &three].into_iter()), Outlook::Promised);
    p.free(&two);
    assert_eq!(p.take([&two].into_iter()), Outlook::Open);
    p.refuse([&two].into_iter());
    assert_eq!((taken(&p), p.take([&two].into_iter())), (vec![1, 3], Outlook::Open));
}

#[test]
fn while_a_set_takes_an_unknown_number_the_host_is_asked() {
    let video = Share::new(needs(&[(T::COMBINED_IMAGE_SAMPLER, 1)], false, true), 0);
    let plain = share(&[]);
    let mut p = pool(FREE, 4, &[(T::COMBINED_IMAGE_SAMPLER, 2)]);
    assert_eq!(p.take([&plain].into_iter()), Outlook::Promised);
    assert_eq!(p.take([&video].into_iter()), Outlook::Open);
    assert_eq!(p.take([&plain].into_iter()), Outlook::Open);
    assert_eq!(p.take([&video; 2].into_iter()), Outlook::Exceeding, "it takes one at least");
    p.reset();
    assert_eq!(p.take([&plain].into_iter()), Outlook::Promised);
}

#[test]
fn flags_that_may_promise_more_leave_the_rest_to_the_host() {
    let one = buffers(1);
    let mut p = pool(F::ALLOW_OVERALLOCATION_SETS_NV, 1, &[(T::STORAGE_BUFFER, 1)]);
    assert_eq!(p.take([&one].into_iter()), Outlook::Promised);
    assert_eq!(p.take([&one].into_iter()), Outlook::Open);
    p.refuse([&one].into_iter());
    assert_eq!(taken(&p), [1, 1]);
}
