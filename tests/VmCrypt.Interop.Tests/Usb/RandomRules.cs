using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>Rules that use every field, out of few values so that they meet the devices of the tests often.</summary>
internal static class RandomRules
{
    public static DateTimeOffset Now { get; } = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public static T Pick<T>(Random random, params T[] values) => values[random.Next(values.Length)];

    public static UsbClassCode Class(Random random) =>
        new(Pick<byte>(random, 0, 3, 3, 8, 8, 0xef, 0xff), Pick<byte>(random, 0, 0, 6), Pick<byte>(random, 0, 0, 0x50));

    public static UsbRule Next(Random random)
    {
        var rule = new UsbRule
        {
            Allow = random.Next(3) > 0,
            VendorId = Maybe<ushort>(random, 2, 0x48d),
            ProductId = Maybe<ushort>(random, 2, 0x1169),
            Version = Maybe<ushort>(random, 6, 0x256),
            Class = Maybe<byte>(random, 2, 3, 8, 0xff),
            Serial = random.Next(6) > 0 ? null : Pick(random, "", "A", "B", "*", "A?"),
            Port = random.Next(6) > 0 ? null : Pick(random, "1-1", "1-2", "1-*"),
            ValidFrom = random.Next(12) > 0 ? null : Now.AddHours(random.Next(-2, 3)),
        };
        rule = rule with { Subclass = rule.Class is null ? null : Maybe<byte>(random, 3, 0, 6) };
        return rule with { Protocol = rule.Subclass is null ? null : Maybe<byte>(random, 3, 0, 0x50) };
    }

    private static T? Maybe<T>(Random random, int oneIn, params T[] values)
        where T : struct => random.Next(oneIn) > 0 ? null : Pick(random, values);
}
