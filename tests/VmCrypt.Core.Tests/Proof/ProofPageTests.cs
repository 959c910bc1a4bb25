using System.Xml.Linq;
using VmCrypt.Core.Images;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>The report: whole markup, nothing from outside, and nothing hostile in it.</summary>
public sealed class ProofPageTests
{
    private const string Hostile = "/disks/<script>alert(1)</script>\"'&\u202Egpj.qcow2";

    [Fact]
    public void Needs_nothing_but_itself()
    {
        string page = Sample().ToHtml();

        Assert.DoesNotContain("http", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("url(", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("@import", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("prefers-color-scheme: dark", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Is_well_formed_whatever_names_hold()
    {
        string page = Sample().ToHtml();

        XElement body = XElement.Parse(page[page.IndexOf("<body>", StringComparison.Ordinal)..page.IndexOf("</html>", StringComparison.Ordinal)].Replace("<br>", "<br/>", StringComparison.Ordinal));

        Assert.Equal(3, body.Descendants("bdi").Count(name => name.Value == Hostile || Hostile.EndsWith(name.Value, StringComparison.Ordinal)));
        Assert.Empty(body.Descendants("script"));
    }

    [Fact]
    public void Each_state_of_the_map_has_a_shape_and_a_word()
    {
        string page = Sample().ToHtml();

        foreach ((string symbol, string words) in new[]
        {
            ("P", "plain"), ("W", "ciphertext that repeats"), ("U", "not checked"), ("C", "looks like ciphertext"),
            ("H", "header and key slots"), ("M", "tables of the container"), ("0", "zeros"), ("N", "nothing stored"),
        })
        {
            Assert.Contains($"<g id=\"{symbol}\">", page, StringComparison.Ordinal);
            Assert.Contains($"<g><title>{words}: about", page, StringComparison.Ordinal);
            Assert.Contains($"</svg>{words} <b>", page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Findings_beyond_those_shown_are_counted()
    {
        ProofFinding[] findings = [.. Enumerable.Range(0, 20).Select(at => new ProofFinding(Hostile, FindingKind.Text, at * 8192, 4096, at * 8192, HostUse.Data, null))];

        Assert.Contains("And 32 more", (Sample() with { Findings = findings, FindingsOmitted = 20 }).ToHtml(), StringComparison.Ordinal);
    }

    private static ImageProof Sample()
    {
        var bytes = new ProofBytes { Plain = 1, Weak = 1, Unchecked = 1, Ciphertext = 1, Header = 1, Metadata = 1, Zero = 1, Hole = 1, Decrypted = 1 };
        var histogram = new long[65];
        histogram[30] = 1;
        histogram[63] = 123_456;
        return new ImageProof
        {
            Path = Hostile,
            Verdict = ProofVerdict.Mixed,
            Confidence = ProofConfidence.Observed,
            Summary = "Encrypted in part: <1> byte.",
            Bytes = bytes,
            Luks = new LuksFacts(LuksVersion.Luks1, "<uuid>", "<aes>", 64, "<sha>", 1000, 0, 512,
                [new KeySlotFacts { Number = 0, IsActive = true, Kdf = "<pbkdf2>", Iterations = 1000, Hash = "<sha>", Stripes = 4000, AreaOffset = 4096, AreaLength = 256000 }]),
            Layers =
            [
                new LayerProof
                {
                    Path = Hostile,
                    Role = LayerRole.Active,
                    Format = ImageFormat.Qcow2,
                    Encryption = EncryptionPlacement.Inside,
                    Cipher = "<aes>",
                    Verdict = ProofVerdict.Mixed,
                    Length = 1 << 20,
                    Bytes = bytes,
                    Map = "PW?CHM0.",
                    EntropyHistogram = histogram,
                    OpenedSlot = 0,
                    KeyProven = true,
                },
            ],
            Findings = [new ProofFinding(Hostile, FindingKind.Signature, 0, 4096, null, HostUse.Tail, "<ext>")],
            Weaknesses = [new Weakness("SingleKeySlot", "<only one>")],
            Checked = ["<all>"],
            NotChecked = ["<some>"],
        };
    }
}
