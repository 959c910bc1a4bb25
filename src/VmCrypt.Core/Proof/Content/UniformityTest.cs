using System.Collections.Concurrent;

namespace VmCrypt.Core.Proof.Content;

/// <summary>Says from which value on a chi-square statistic cannot come from ciphertext.</summary>
/// <remarks>
/// <para>The statistic is X = Σ (c − n/256)² over the 256 counts of n bytes (Pearson's, not divided by n/256). The usual table of the
/// chi-square distribution is an approximation that says nothing of tails as thin as ours, so the limit comes from a bound that holds for
/// every n. Counts of n uniform bytes are independent Poisson variables of mean λ = n/256, given that their sum is n; hence
/// P(X ≥ t) ≤ (256·P(c &gt; M) + min_s e^(−st)·E[e^(s(c−λ)²); c ≤ M]^256) / P(Poisson(n) = n).</para>
/// <para>The limit is the t that makes this 2^-64 for each block looked at: of a disk of 1 EiB in blocks of 4096 bytes, which holds nothing
/// but ciphertext, the chance that any block is called plain is below 2^-15.</para>
/// </remarks>
internal static class UniformityTest
{
    /// <summary>Minus the binary logarithm of the chance that one block of ciphertext fails.</summary>
    public const int SignificanceBits = 64;

    private const int Values = 256;

    private static readonly ConcurrentDictionary<int, long> s_limits = new();

    /// <summary>Whether the counts of <paramref name="bytes"/> bytes with that sum of squares may be those of ciphertext.</summary>
    public static bool Passes(long sumOfSquares, int bytes) => Scaled(sumOfSquares, bytes) < LimitFor(bytes);

    /// <summary>Pearson's statistic, with 255 degrees of freedom.</summary>
    public static double ChiSquare(long sumOfSquares, int bytes) => Scaled(sumOfSquares, bytes) / (double)bytes;

    /// <summary>The smallest value of <see cref="ChiSquare"/> that fails.</summary>
    /// <param name="bits">Minus the binary logarithm of the chance that ciphertext fails.</param>
    public static double ChiSquareLimit(int bytes, int bits = SignificanceBits) => Math.Ceiling(Limit(bytes, bits) * Values) / bytes;

    // 256·X: whole numbers.
    private static long Scaled(long sumOfSquares, int bytes) => (sumOfSquares * Values) - ((long)bytes * bytes);

    private static long LimitFor(int bytes) => s_limits.GetOrAdd(bytes, static bytes => (long)Math.Ceiling(Limit(bytes, SignificanceBits) * Values));

    private static double Limit(int bytes, int bits)
    {
        double mean = bytes / (double)Values;
        // Of the permitted chance, half goes to counts beyond M and half to the rest.
        double budget = (bits + 1) * Math.Log(2);
        double given = LogFactorial(bytes) + bytes - (bytes * Math.Log(bytes));
        int most = LargestCount(mean, budget + given + Math.Log(Values));
        double best = double.PositiveInfinity;
        for (double s = 0.001 / mean; s < 4 / mean; s *= 1.02)
        {
            best = Math.Min(best, ((Values * LogMoment(s, mean, most)) + budget + given) / s);
        }

        return best;
    }

    /// <summary>The smallest M with P(c &gt; M) ≤ e^-<paramref name="exponent"/>.</summary>
    private static int LargestCount(double mean, double exponent)
    {
        int count = (int)Math.Ceiling(mean);
        // Behind M terms fall at least as fast as a geometric series of ratio mean/(M+1).
        while (LogPoisson(count + 1, mean) - Math.Log(1 - (mean / (count + 2))) > -exponent)
        {
            count++;
        }

        return count;
    }

    /// <summary>ln E[e^(s(c−λ)²); c ≤ M] for a Poisson variable c.</summary>
    private static double LogMoment(double s, double mean, int most)
    {
        // From the other side, too, terms farther off than M are smaller than those at M.
        int least = Math.Max(0, (int)((2 * mean) - most) - 1);
        double largest = double.NegativeInfinity;
        double sum = 0;
        double term = LogPoisson(least, mean);
        for (int count = least; count <= most; count++)
        {
            double exponent = term + (s * (count - mean) * (count - mean));
            (sum, largest) = exponent > largest ? ((sum * Math.Exp(largest - exponent)) + 1, exponent) : (sum + Math.Exp(exponent - largest), largest);
            term += Math.Log(mean / (count + 1));
        }

        return largest + Math.Log(sum);
    }

    private static double LogPoisson(int count, double mean) => (count * Math.Log(mean)) - mean - LogFactorial(count);

    // Stirling's series; below ten the product itself.
    private static double LogFactorial(int number)
    {
        if (number < 10)
        {
            double product = 1;
            for (int factor = 2; factor <= number; factor++)
            {
                product *= factor;
            }

            return Math.Log(product);
        }

        double n = number;
        return (n * Math.Log(n)) - n + (0.5 * Math.Log(2 * Math.PI * n)) + (1 / (12 * n)) - (1 / (360 * n * n * n));
    }
}
