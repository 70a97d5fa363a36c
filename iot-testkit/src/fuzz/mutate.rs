//! One input out of others: a few changes, of the sorts that parsers stumble over.

use fastrand::Rng;

use super::Corpus;

/// No input grows beyond this, so that each is soon over.
const LONGEST: usize = 4_096;

/// Bytes that mean something to somebody: ends of ranges, signs of JSON and of topics.
const BYTES: &[u8] = b"\x00\x01\x7f\x80\xc0\xff\"\\{}[],:-.0eE/+#$_ \n";

/// The `n`th input that `seed` makes of `corpus`; an empty one of an empty corpus.
#[must_use]
pub fn mutated(corpus: &Corpus, seed: u64, n: u64) -> Vec<u8> {
    // Each input has a seed of its own, so that one can be made again without those before it.
    let mut rng = Rng::with_seed(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut input = pick(corpus, &mut rng).to_vec();
    for _ in 0..1_u32 << rng.u32(0..5) {
        change(&mut input, corpus, &mut rng);
    }
    input.truncate(LONGEST);
    input
}

fn pick<'c>(corpus: &'c Corpus, rng: &mut Rng) -> &'c [u8] {
    rng.choice(corpus.inputs()).map_or(&[], |(_, input)| input)
}

/// A range of up to 32 bytes within so many; now and then of any length.
fn range(len: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let start = rng.usize(0..=len);
    let most = if rng.u8(0..16) == 0 { len - start } else { (len - start).min(32) };
    start..start + rng.usize(0..=most)
}

fn change(input: &mut Vec<u8>, corpus: &Corpus, rng: &mut Rng) {
    let place = rng.usize(0..=input.len());
    match rng.u8(0..10) {
        0 => {
            if let Some(byte) = input.get_mut(place) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
        1 => {
            if let (Some(byte), Some(new)) = (input.get_mut(place), rng.choice(BYTES)) {
                *byte = *new;
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(place) {
                *byte = byte.wrapping_add(rng.u8(..) % 9).wrapping_sub(4);
            }
        }
        3 => input.extend(rng.choice(BYTES)),
        4 => input.insert(place, rng.u8(..)),
        5 => {
            let gone = range(input.len(), rng);
            input.drain(gone);
        }
        6 => {
            let again = range(input.len(), rng);
            let piece = input[again].to_vec();
            let times = 1 << rng.u32(0..6);
            insert(input, place, &piece.repeat(times));
        }
        7 => {
            let other = pick(corpus, rng);
            insert(input, place, &other[range(other.len(), rng)]);
        }
        8 => {
            let other = pick(corpus, rng);
            let from = rng.usize(0..=other.len());
            input.truncate(place);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            if rng.bool() {
                input.truncate(place);
            } else {
                input.push(rng.u8(..));
            }
        }
    }
    input.truncate(LONGEST);
}

fn insert(input: &mut Vec<u8>, place: usize, piece: &[u8]) {
    let piece = &piece[..piece.len().min(LONGEST)];
    input.splice(place..place, piece.iter().copied());
}
