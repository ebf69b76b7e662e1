//! A checksum that costs no more than reading: four words side by side.
//!
//! Each step maps a lane's state one to one, so that a change of one word of a lane always shows; a change of several is missed once in
//! 2^64 times. It is for damage, not for forgery: who may write the file may write anything.

pub const CHECKSUM: usize = 32;

const FACTORS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x8525_7d4f_2b1c_6c8d];

/// Of some parts as if they were one, their lengths included.
pub fn checksum<const N: usize>(parts: [&[u8]; N]) -> [u8; CHECKSUM] {
    let mut lanes = FACTORS;
    for part in parts {
        lanes[0] ^= part.len() as u64;
        let (blocks, rest) = part.as_chunks::<CHECKSUM>();
        blocks.iter().for_each(|block| mix(&mut lanes, block));
        let mut last = [0; CHECKSUM];
        last[..rest.len()].copy_from_slice(rest);
        mix(&mut lanes, &last);
    }
    let mut found = [0; CHECKSUM];
    for (place, lane) in found.chunks_exact_mut(8).zip(lanes) {
        place.copy_from_slice(&lane.to_le_bytes());
    }
    found
}

/// The same in half as many bytes.
pub fn short_checksum(part: &[u8]) -> [u8; CHECKSUM / 2] {
    let whole = checksum([part]);
    std::array::from_fn(|at| whole[at] ^ whole[at + CHECKSUM / 2])
}

fn mix(lanes: &mut [u64; 4], block: &[u8; CHECKSUM]) {
    let (words, _) = block.as_chunks::<8>();
    for ((lane, word), factor) in lanes.iter_mut().zip(words).zip(FACTORS) {
        *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(factor).rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts_and_so_do_lengths() {
        let whole: Vec<u8> = (0..100).collect();
        let sum = checksum([&whole]);
        for at in 0..whole.len() * 8 {
            let mut other = whole.clone();
            other[at / 8] ^= 1 << (at % 8);
            assert_ne!(checksum([&other]), sum, "{at}");
            assert_ne!(short_checksum(&other), short_checksum(&whole), "{at}");
        }
        assert_ne!(checksum([&whole, &[]]), sum);
        assert_ne!(short_checksum(&whole), short_checksum(&whole[..99]));
        assert_ne!(checksum([&whole[..50], &whole[50..]]), sum);
        assert_ne!(checksum([&[0; 31]]), checksum([&[0; 32]]));
    }
}
