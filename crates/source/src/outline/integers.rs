//! Integer literals that are longer than a machine word: however they are written, equal ones have equal bytes.

/// Longer decimal numbers than this, which no interpreter reads unless it is told to, count as they are written.
const MOST_DIGITS: usize = 20_000;

/// Bytes that are the same for two literals if and only if their values are.
pub(super) fn canonical(literal: &str) -> Vec<u8> {
    let digits: Vec<u8> = literal.bytes().filter(|&byte| byte != b'_').map(|byte| byte.to_ascii_lowercase()).collect();
    match digits.as_slice() {
        [b'0', b'x', rest @ ..] => by_bits(rest, 4),
        [b'0', b'o', rest @ ..] => by_bits(rest, 3),
        [b'0', b'b', rest @ ..] => by_bits(rest, 1),
        rest if rest.len() > MOST_DIGITS => rest.to_vec(),
        rest => decimal(rest),
    }
}

fn digit(byte: u8) -> u32 {
    char::from(byte).to_digit(16).unwrap_or(0)
}

/// Of digits that are so many bits each; the lowest byte first.
fn by_bits(digits: &[u8], bits: u32) -> Vec<u8> {
    let (mut found, mut held, mut count) = (Vec::with_capacity(digits.len() / 2 + 1), 0u32, 0u32);
    for &byte in digits.iter().rev() {
        held |= digit(byte) << count;
        count += bits;
        while count >= 8 {
            found.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    found.push(held as u8);
    trimmed(found)
}

fn decimal(digits: &[u8]) -> Vec<u8> {
    let mut limbs: Vec<u32> = Vec::new();
    for chunk in digits.chunks(9) {
        let mut carry = chunk.iter().fold(0u64, |value, &byte| value * 10 + u64::from(digit(byte)));
        let factor = 10u64.pow(chunk.len() as u32);
        for limb in &mut limbs {
            let product = u64::from(*limb) * factor + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    trimmed(limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect())
}

fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn one_value_has_one_form() {
        let all = [
            "36893488147419103233",
            "36_893_488_147_419_103_233",
            "0x2_0000_0000_0000_0001",
            "0X20000000000000001",
            "0o4000000000000000000001",
            "0b100000000000000000000000000000000000000000000000000000000000000001",
            "000036893488147419103233",
        ];
        for one in all {
            assert_eq!(canonical(one), [1, 0, 0, 0, 0, 0, 0, 0, 2], "{one}");
        }
        assert_ne!(canonical("36893488147419103234"), canonical(all[0]));
        assert_eq!(canonical(&"9".repeat(30_000)).len(), 30_000);
    }
}
