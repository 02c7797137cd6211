//! Intel's Advanced Matrix Extensions: whether they are there, and the loop that uses them.
//!
//! The compiler knows nothing of tiles: it has no values of their type, and may use or reset the
//! unit between two `asm!` blocks. So one block does everything, from the configuration of the
//! tiles to their release, and every register that it changes is named.
#![allow(unsafe_code)]

use std::arch::asm;
use std::mem::offset_of;

use super::pair_product::{DEPTH_STEP, ROW_STEP};
use super::tile::PANEL;

/// Whether the CPU has AMX for bfloat16, and the system lets this process use its large registers.
#[cfg(target_os = "linux")]
pub(super) fn is_available() -> bool {
    const AMX_BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    const REQUEST_PERMISSION: libc::c_int = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILE_DATA: libc::c_ulong = 18; // XFEATURE_XTILEDATA
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    if features & AMX_BF16_AND_TILE != AMX_BF16_AND_TILE {
        return false;
    }
    // SAFETY: the call only asks for a permission; an older kernel answers with an error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_available() -> bool {
    false
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct TileConfig([u8; 64]);

/// Eight tiles of 16 rows of 64 bytes.
static WHOLE_TILES: TileConfig = {
    let mut config = [0; 64];
    config[0] = 1; // the only palette
    let mut tile = 0;
    while tile < 8 {
        config[16 + 2 * tile] = 64; // bytes a row
        config[48 + tile] = 16; // rows
        tile += 1;
    }
    TileConfig(config)
};

/// A product of [`ROW_STEP`] rows and [`PANEL`] columns: two by two tiles.
#[repr(C)]
pub(super) struct Block {
    /// Rows of the left side, without gaps.
    pub(super) a: *const u16,
    /// A panel of the right side.
    pub(super) b: *const u16,
    pub(super) c: *mut f32,
    /// Bytes from one row of `c` to the next.
    pub(super) c_row: usize,
}

/// Computes `blocks`, one after another.
///
/// # Safety
/// AMX must be available. `depth` must be a multiple of [`DEPTH_STEP`] and not zero, each block's
/// `a` and `b` hold as many numbers along it, and its `c` have room for the product.
pub(super) unsafe fn multiply(blocks: &[Block], depth: usize) {
    if blocks.is_empty() {
        return;
    }
    let blocks = blocks.as_ptr_range();
    // SAFETY: the tiles are read and written within the sizes that the caller has promised, and no
    // register is changed that is not named. The stack is not touched.
    unsafe {
        asm!(
            "ldtilecfg [{config}]",
            // For each block: its part of the result comes closer, to be written later.
            "2:",
            "mov {upper}, qword ptr [{block} + {C}]",
            "mov {c_row}, qword ptr [{block} + {C_ROW}]",
            "mov {count:e}, {ROW_STEP}",
            "3:",
            "prefetchw byte ptr [{upper}]",
            "prefetchw byte ptr [{upper} + 64]",
            "add {upper}, {c_row}",
            "dec {count}",
            "jnz 3b",
            // Sums in tiles 0 to 3, along the whole depth.
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "mov {upper}, qword ptr [{block} + {A}]",
            "mov {left}, qword ptr [{block} + {B}]",
            "mov {lower}, {a_row}",
            "shl {lower}, 4", // 16 rows below
            "add {lower}, {upper}",
            "mov {count}, {steps}",
            "4:",
            "tileloadd tmm4, [{upper} + {a_row}*1]",
            "tileloadd tmm6, [{left} + {b_row}*1]",
            "tileloadd tmm7, [{left} + {b_row}*1 + 64]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{lower} + {a_row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, {A_STEP}",
            "add {lower}, {A_STEP}",
            "add {left}, {B_STEP}",
            "dec {count}",
            "jnz 4b",
            // The sums go to the result.
            "mov {upper}, qword ptr [{block} + {C}]",
            "mov {lower}, {c_row}",
            "shl {lower}, 4",
            "add {lower}, {upper}",
            "tilestored [{upper} + {c_row}*1], tmm0",
            "tilestored [{upper} + {c_row}*1 + 64], tmm1",
            "tilestored [{lower} + {c_row}*1], tmm2",
            "tilestored [{lower} + {c_row}*1 + 64], tmm3",
            "add {block}, {BLOCK}",
            "cmp {block}, {end}",
            "jne 2b",
            "tilerelease",
            A = const offset_of!(Block, a),
            B = const offset_of!(Block, b),
            C = const offset_of!(Block, c),
            C_ROW = const offset_of!(Block, c_row),
            BLOCK = const size_of::<Block>(),
            ROW_STEP = const ROW_STEP,
            A_STEP = const DEPTH_STEP * size_of::<u16>(),
            B_STEP = const DEPTH_STEP * PANEL * size_of::<u16>(),
            config = in(reg) &raw const WHOLE_TILES,
            block = inout(reg) blocks.start => _,
            end = in(reg) blocks.end,
            steps = in(reg) depth / DEPTH_STEP,
            a_row = in(reg) depth * size_of::<u16>(),
            b_row = in(reg) 2 * PANEL * size_of::<u16>(), // a row of pairs
            c_row = out(reg) _,
            upper = out(reg) _,
            lower = out(reg) _,
            left = out(reg) _,
            count = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
