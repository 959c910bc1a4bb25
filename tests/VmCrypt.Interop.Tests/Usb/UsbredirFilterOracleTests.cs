using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Interop.Tests.Usb;

public sealed class UsbredirFilterOracleTests
{
    private const int Rounds = 20_000;

    public UsbredirFilterOracleTests() => LibUsbredir.Require();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Never_judges_otherwise_than_libusbredirparser(int seed)
    {
        var random = new Random(seed);
        int allowed = 0;
        for (int round = 0; round < Rounds; round++)
        {
            LibUsbredir.Rule[] rules = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => RandomRule(random))];
            UsbDeviceDescription device = RandomDevice(random);

            bool theirs = LibUsbredir.Allows(rules, device);
            UsbVerdict ours = new UsbRuleSet(new UsbWhitelist { Rules = [.. rules.Select(Ours)] }).Judge(device, DateTimeOffset.UnixEpoch);

            Assert.True(theirs == ours.Allowed, $"round {round}: usbredir says {theirs}, we say {ours}");
            allowed += theirs ? 1 : 0;
        }

        Assert.InRange(allowed, Rounds / 20, Rounds * 19 / 20);
    }

    [Theory]
    [InlineData(',', 11)]
    [InlineData(':', 12)]
    public void Reads_filter_strings_as_libusbredirparser_does(char separator, int seed)
    {
        var random = new Random(seed);
        int accepted = 0;
        for (int round = 0; round < Rounds; round++)
        {
            string text = RandomFilter(random, separator);

            LibUsbredir.Rule[]? theirs = LibUsbredir.Parse(text, separator.ToString());
            UsbRule[]? ours = TryParse(text, separator);

            Assert.True(theirs is null == ours is null, $"'{text}': usbredir {(theirs is null ? "refuses" : "accepts")} it");
            if (theirs is not null)
            {
                Assert.Equal(theirs.Select(Ours), ours!);
                accepted++;
            }
        }

        Assert.InRange(accepted, Rounds / 20, Rounds * 19 / 20);
    }

    [Fact]
    public void What_we_export_judges_alike_where_usbredir_can_say_it()
    {
        var random = new Random(21);
        for (int round = 0; round < Rounds; round++)
        {
            var list = new UsbWhitelist { Rules = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => Ours(RandomRule(random)))] };
            UsbDeviceDescription device = RandomDevice(random);

            LibUsbredir.Rule[] rules = LibUsbredir.Parse(UsbredirFilter.Format(list).Text, ",")!;

            Assert.Equal(LibUsbredir.Allows(rules, device), new UsbRuleSet(list).Judge(device, DateTimeOffset.UnixEpoch).Allowed);
        }
    }

    [Fact]
    public void What_we_export_never_allows_more_than_the_list()
    {
        var random = new Random(22);
        int allowed = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var list = new UsbWhitelist { Rules = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => RandomRules.Next(random))] };
            UsbDeviceDescription device = RandomDevice(random) with { Serial = RandomRules.Pick(random, "", "A", "B"), Port = RandomRules.Pick(random, "1-1", "1-2") };

            LibUsbredir.Rule[] rules = LibUsbredir.Parse(UsbredirFilter.Format(list).Text, ",")!;
            if (LibUsbredir.Allows(rules, device))
            {
                UsbVerdict ours = new UsbRuleSet(list).Judge(device, RandomRules.Now);
                Assert.True(ours.Allowed, $"round {round}: the export allows, but {ours}");
                allowed++;
            }
        }

        Assert.True(allowed > Rounds / 100, $"only {allowed} devices passed the export");
    }

    private static UsbRule[]? TryParse(string text, char separator)
    {
        try
        {
            return [.. UsbredirFilter.Parse(text, separator).Rules];
        }
        catch (InvalidInputException fault) when (fault.ErrorId == ErrorIds.UsbRuleInvalid)
        {
            return null;
        }
    }

    // Few values, so that rules and devices meet often.
    private static LibUsbredir.Rule RandomRule(Random random) => new()
    {
        DeviceClass = RandomRules.Pick(random, -1, -1, 0, 3, 8, 9, 0xef, 0xff),
        Vendor = RandomRules.Pick(random, -1, -1, 0, 0x48d, 0xffff),
        Product = RandomRules.Pick(random, -1, -1, 0, 0x1169, 0xffff),
        Version = RandomRules.Pick(random, -1, -1, -1, 0x100, 0x256),
        Allow = RandomRules.Pick(random, 0, 1, 1, 2),
    };

    private static UsbDeviceDescription RandomDevice(Random random) => new()
    {
        VendorId = RandomRules.Pick<ushort>(random, 0, 0x48d, 0xffff),
        ProductId = RandomRules.Pick<ushort>(random, 0, 0x1169, 0xffff),
        Version = RandomRules.Pick<ushort>(random, 0x100, 0x256),
        DeviceClass = RandomRules.Class(random),
        Interfaces = [.. Enumerable.Range(0, random.Next(0, 5)).Select(_ => RandomRules.Class(random))],
    };

    private static UsbRule Ours(LibUsbredir.Rule rule) => new()
    {
        Class = rule.DeviceClass < 0 ? null : (byte)rule.DeviceClass,
        VendorId = rule.Vendor < 0 ? null : (ushort)rule.Vendor,
        ProductId = rule.Product < 0 ? null : (ushort)rule.Product,
        Version = rule.Version < 0 ? null : (ushort)rule.Version,
        Allow = rule.Allow != 0,
    };

    private static string RandomFilter(Random random, char separator)
    {
        string[] numbers = ["-1", "0x08", "0X3", "010", "08", "3", " 7", "+1", "0", "00", "1169", "0x048d", "256", "65536", "-2", "x", "0x", "1 ", "", "0x0g"];
        IEnumerable<string> Fields() => Enumerable.Range(0, random.Next(20) == 0 ? random.Next(4, 7) : 5).Select(_ => numbers[Math.Min(random.Next(numbers.Length), random.Next(numbers.Length))]);
        return string.Join('|', Enumerable.Range(0, random.Next(0, 4)).Select(_ => string.Join(separator, Fields())));
    }
}
