//! AMX on machines without it, for tests. Its instructions raise SIGILL there; the handler does
//! what they would have done, so that the very loop of [`super::amx`] runs.
//!
//! Encodings and meaning are those of Intel's *Software Developer's Manual*, volume 2. The order in
//! which TDPBF16PS adds up is not kept: tests take numbers whose sums are exact.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::sync::Once;

use super::bf16::{self, Unit};

/// Rows of a tile, and numbers of 32 bits in a row.
const SIDE: usize = 16;

/// The unit of one thread.
struct Tiles {
    /// Rows and bytes a row of each tile, from `ldtilecfg` to `tilerelease`.
    config: Option<[(usize, usize); 8]>,
    numbers: [[[u32; SIDE]; SIDE]; 8],
}

thread_local! {
    static TILES: RefCell<Tiles> =
        const { RefCell::new(Tiles { config: None, numbers: [[[0; SIDE]; SIDE]; 8] }) };
}

/// The units that a test can use on this machine, with AMX in any case.
pub(super) fn units() -> Vec<Unit> {
    match bf16::unit() {
        // Every machine with AMX has AVX512-BF16.
        Some(Unit::Amx) => vec![Unit::Amx, Unit::Avx512],
        other => {
            emulate();
            std::iter::once(Unit::Amx).chain(other).collect()
        }
    }
}

/// Whether this thread left no tiles behind, as far as the emulation knows.
pub(super) fn is_released() -> bool {
    TILES.with_borrow(|tiles| tiles.config.is_none())
}

/// From now on, AMX's instructions work in this process.
fn emulate() {
    static HANDLER: Once = Once::new();
    // SAFETY: the action is whole, and its handler only works on the thread that raised the signal.
    HANDLER.call_once(|| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_illegal_instruction as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut()), 0);
    });
}

extern "C" fn on_illegal_instruction(
    signal: libc::c_int,
    _: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the system gives the handler the thread's registers.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let instruction = Instruction { registers };
    let length = TILES.with_borrow_mut(|tiles| instruction.execute(tiles));
    match length {
        Some(length) => registers[libc::REG_RIP as usize] += length as i64,
        // SAFETY: the same instruction raises the signal again, which then ends the process.
        None => drop(unsafe { libc::signal(signal, libc::SIG_DFL) }),
    }
}

/// Where the thread stands: an instruction with a three-byte VEX prefix, if it is one of AMX.
struct Instruction<'a> {
    registers: &'a [i64; 23],
}

/// An operand in memory, and where the instruction ends.
struct Memory {
    address: usize,
    stride: usize,
    length: usize,
}

impl Instruction<'_> {
    fn byte(&self, place: usize) -> u8 {
        let start = self.registers[libc::REG_RIP as usize] as *const u8;
        // SAFETY: only bytes that belong to the instruction are asked for.
        unsafe { start.add(place).read() }
    }

    /// Does what the instruction says; its length, or nothing if the unit does not know it.
    fn execute(&self, tiles: &mut Tiles) -> Option<usize> {
        let is_vex_of_map_2 = self.byte(0) == 0xc4 && self.byte(1) & 0x1f == 2;
        if !is_vex_of_map_2 || self.byte(2) & 0b1000_0100 != 0 {
            return None;
        }
        let (prefix, opcode, operands) = (self.byte(2) & 3, self.byte(3), self.byte(4));
        let third = usize::from(!self.byte(2) >> 3 & 7);
        let (first, second) = (usize::from(operands >> 3 & 7), usize::from(operands & 7));
        let names_registers = operands >> 6 == 3;
        match (prefix, opcode) {
            (0, 0x49) if !names_registers => {
                let memory = self.memory()?;
                tiles.configure(memory.address)?;
                Some(memory.length)
            }
            (0, 0x49) if operands == 0xc0 => {
                tiles.config = None;
                Some(5)
            }
            (3, 0x49) if names_registers => {
                tiles.config?;
                tiles.numbers[first] = Default::default();
                Some(5)
            }
            (3, 0x4b) => tiles.load(first, self.memory()?),
            (2, 0x4b) => tiles.store(first, self.memory()?),
            (2, 0x5c) if names_registers => {
                tiles.multiply_add(first, second, third)?;
                Some(5)
            }
            _ => None,
        }
    }

    fn register(&self, number: u8) -> usize {
        use libc::*;
        let places = [
            REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
            REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        ];
        self.registers[places[usize::from(number)] as usize] as usize
    }

    /// The operand in memory: base, index and displacement, but none relative to the instruction.
    fn memory(&self) -> Option<Memory> {
        let (kind, low) = (self.byte(4) >> 6, self.byte(4) & 7);
        let upper_base = (!self.byte(1) >> 5 & 1) << 3;
        let upper_index = (!self.byte(1) >> 6 & 1) << 3;
        let (base, stride, mut length) = if low == 4 {
            let sib = self.byte(5);
            let index = upper_index | sib >> 3 & 7;
            let stride = if index == 4 { 0 } else { self.register(index) << (sib >> 6) };
            (sib & 7, stride, 6)
        } else {
            (low, 0, 5)
        };
        if kind == 0 && base == 5 || kind == 3 {
            return None;
        }
        let mut address = self.register(upper_base | base);
        if kind == 1 {
            address = address.wrapping_add_signed(isize::from(self.byte(length) as i8));
            length += 1;
        } else if kind == 2 {
            let bytes = [0, 1, 2, 3].map(|place| self.byte(length + place));
            address = address.wrapping_add_signed(i32::from_le_bytes(bytes) as isize);
            length += 4;
        }
        Some(Memory { address, stride, length })
    }
}

impl Tiles {
    fn configure(&mut self, address: usize) -> Option<()> {
        // SAFETY: the program told the unit to read this.
        let config = unsafe { (address as *const [u8; 64]).read() };
        let tile = |tile: usize| {
            let bytes = u16::from_le_bytes([config[16 + 2 * tile], config[17 + 2 * tile]]);
            (usize::from(config[48 + tile]), usize::from(bytes))
        };
        let sizes: [_; 8] = std::array::from_fn(tile);
        let fits = |&(rows, bytes): &(usize, usize)| rows <= SIDE && bytes <= 4 * SIDE;
        if config[0] != 1 || !sizes.iter().all(fits) {
            return None;
        }
        self.config = Some(sizes);
        self.numbers = [[[0; SIDE]; SIDE]; 8];
        Some(())
    }

    fn load(&mut self, tile: usize, memory: Memory) -> Option<usize> {
        let (rows, bytes) = self.config?[tile];
        self.numbers[tile] = Default::default();
        for (row, numbers) in self.numbers[tile].iter_mut().take(rows).enumerate() {
            let from = (memory.address + row * memory.stride) as *const u8;
            // SAFETY: the program told the unit to read this; a row has room for 64 bytes.
            unsafe { from.copy_to_nonoverlapping(numbers.as_mut_ptr().cast(), bytes) };
        }
        Some(memory.length)
    }

    fn store(&self, tile: usize, memory: Memory) -> Option<usize> {
        let (rows, bytes) = self.config?[tile];
        for (row, numbers) in self.numbers[tile].iter().take(rows).enumerate() {
            let to = (memory.address + row * memory.stride) as *mut u8;
            // SAFETY: the program told the unit to write this; a row holds 64 bytes.
            unsafe { to.copy_from_nonoverlapping(numbers.as_ptr().cast(), bytes) };
        }
        Some(memory.length)
    }

    /// TDPBF16PS: `sums += left right`, where the right side's rows hold pairs.
    fn multiply_add(&mut self, sums: usize, left: usize, right: usize) -> Option<()> {
        let config = self.config?;
        let (rows, pairs, columns) = (config[sums].0, config[left].1 / 4, config[right].1 / 4);
        let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = f32::from_bits(self.numbers[sums][row][column]);
                for pair in 0..pairs {
                    let left = halves(self.numbers[left][row][pair]);
                    let right = halves(self.numbers[right][pair][column]);
                    sum = left[0].mul_add(right[0], sum);
                    sum = left[1].mul_add(right[1], sum);
                }
                self.numbers[sums][row][column] = sum.to_bits();
            }
        }
        Some(())
    }
}
