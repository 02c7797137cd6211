//! `exp` and `erf` for f32 without branches or tables, so that a loop over them compiles to vector
//! instructions.

/// `e^x`, with a relative error below 2e-7; 0 below -87.3, and no larger than `e^88.3`.
///
/// The Cephes library's polynomial on `x - n ln 2`, scaled by `2^n`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.336_54, 88.376_26);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(-0.693_359_4, x); // ln 2 in two parts, the first exact in a few bits
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    (p * r).mul_add(r, r + 1.0) * power
}

/// The error function, with an absolute error below 5e-7.
///
/// A rational function of `x` on [-3.83, 3.83]; outside, erf is 1 or -1 in f32.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-3.832_507, 3.832_507);
    let s = x * x;
    let p = 2.290_506_5e-4f32;
    let p = p.mul_add(s, 3.408_291e-3);
    let p = p.mul_add(s, 5.095_569_5e-2);
    let p = p.mul_add(s, 1.852_083_2e-1);
    let p = p.mul_add(s, std::f32::consts::FRAC_2_SQRT_PI);
    let q = -1.179_160_3e-7f32;
    let q = q.mul_add(s, 2.354_796_6e-5);
    let q = q.mul_add(s, 1.017_962_5e-3);
    let q = q.mul_add(s, 1.407_047e-2);
    let q = q.mul_add(s, 1.109_850_5e-1);
    let q = q.mul_add(s, 4.974_692_5e-1);
    let q = q.mul_add(s, 1.0);
    x * p / q
}

/// `σ(x)`, with an absolute error below 2e-7.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh(x)`, with an absolute error below 4e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    2.0f32.mul_add(sigmoid(2.0 * x), -1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) / exact - 1.0).abs() < 2e-7,
                "exp({x}) = {}, not {exact}",
                exp(x)
            );
        }
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
    }

    #[test]
    fn erf_agrees_with_its_power_series() {
        for i in -400..=400 {
            let x = f64::from(i) / 100.0;
            let (mut term, mut series) = (x, x);
            for n in 1..120 {
                term *= -x * x / f64::from(n);
                series += term / f64::from(2 * n + 1);
            }
            let exact = series * std::f64::consts::FRAC_2_SQRT_PI;
            assert!(
                (f64::from(erf(x as f32)) - exact).abs() < 5e-7,
                "erf({x}) = {}, not {exact}",
                erf(x as f32)
            );
        }
    }
}
