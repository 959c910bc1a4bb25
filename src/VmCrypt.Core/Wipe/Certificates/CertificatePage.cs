using System.Globalization;
using System.Text;
using VmCrypt.Core.Reports;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;
using static VmCrypt.Core.Reports.Html;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>Renders a certificate as one page of HTML that needs nothing but itself, and carries the signed data within.</summary>
internal static class CertificatePage
{
    // More lines than these would push the signature off the sheet; all of them are in the data.
    private const int MaxFindings = 5;
    private const int FewPasses = 9;

    private const string Title = "Data erasure certificate";

    private const string DataStart = "<script type=\"application/json\" id=\"certificate\">";
    private const string DataEnd = "</script>";

    public static string Render(WipeCertificate certificate)
    {
        CertificateBody body = certificate.Body;
        var page = new StringBuilder(HeadSection(body));
        page.Append("<div class=\"columns\"><div>").Append(MediumSection(body)).Append(RunSection(body)).Append("</div><div>").Append(MethodSection(body)).Append(CustodySection(body)).Append("</div></div>\n");
        page.Append(PassSection(body)).Append(MapSection(body)).Append(FindingSection(body)).Append(PeopleSection(body)).Append(Footer(certificate));
        // "<" cannot end the script then; to JSON it is the same character.
        page.Append(DataStart).Append('\n').Append(certificate.ToJson().Replace("<", "\\u003C", StringComparison.Ordinal)).Append(DataEnd);
        return Page($"{Title} {body.Id}", page.ToString());
    }

    /// <summary>The JSON that a page carries; null where the text is no page of ours.</summary>
    public static string? DataOf(string text)
    {
        int start = text.IndexOf(DataStart, StringComparison.Ordinal);
        int end = start < 0 ? -1 : text.IndexOf(DataEnd, start, StringComparison.Ordinal);
        return end < 0 ? null : text[(start + DataStart.Length)..end];
    }

    private static string HeadSection(CertificateBody body)
    {
        (string words, string look) = body.Status switch
        {
            WipeStatus.Erased => ("Erased", "good"),
            WipeStatus.ErasedWithExceptions => ("Erased with exceptions", "fair"),
            WipeStatus.Interrupted => ("Interrupted: not erased", "poor"),
            WipeStatus.DeletedOnly => ("Deleted, not erased", "poor"),
            _ => ("Failed", "poor"),
        };
        string whose = Text(body.Details.Organisation is { } who ? who + " · " : string.Empty);
        return Header(Title, $"{whose}No. {body.Id}<br>Issued {Time(body.Issued)}", words, look);
    }

    private static string MediumSection(CertificateBody body)
    {
        BodyMedium medium = body.Medium;
        string kind = medium.Kind switch
        {
            TargetKind.File => "Image file",
            TargetKind.BlockDevice => "Block device",
            TargetKind.Nbd => "Export of an NBD server",
            _ => "Free space of a file system",
        };
        string turning = medium.Rotational switch { true => "rotating disk", false => "non-rotating (flash or virtual)", _ => "not known" };
        return List("Medium",
            ("Kind", kind),
            ("Path", medium.Path),
            ("Size", Bytes(medium.Length)),
            ("Covered", Bytes(medium.AllocatedBytes) + (medium.Extents is { } extents ? $" in {extents} extents" : string.Empty)),
            ("Shared", medium.SharedBytes > 0 ? Bytes(medium.SharedBytes) : null),
            ("File system", medium.FileSystem is { } type ? $"{type}, {Nature(medium.Nature)}" : null),
            ("Device", medium.Device is { } device ? $"{device}, {turning}" : null),
            ("Manufacturer", body.Details.Manufacturer),
            ("Model", medium.Model),
            ("Serial", medium.Serial ?? medium.Wwid));
    }

    private static string MethodSection(CertificateBody body)
    {
        BodyMethod method = body.Method;
        string verification = method.Verification switch
        {
            VerifyMode.None => "none",
            VerifyMode.LastPass => "last pass, read back in full",
            VerifyMode.AllPasses => "every pass, read back in full",
            _ => "last pass, a sample of about one tenth",
        };
        return List("Method",
            ("Method", $"{method.Description}: {method.Title}"),
            ("Standard", method.Standard),
            ("Passes", method.Passes.ToString(CultureInfo.InvariantCulture)),
            ("Verification", verification),
            ("Key slots", body.Keys is { } keys ? $"{keys.SlotsDestroyed} destroyed of {keys.Header} {keys.Uuid} ({keys.Cipher}), {(keys.Verified ? "verified" : "not verified")}" : null),
            ("Origin", method.Origin),
            ("Note", method.Notes));
    }

    private static string CustodySection(CertificateBody body)
    {
        CertificateDetails details = body.Details;
        return List("Custody",
            ("Customer", details.Customer),
            ("Property number", details.PropertyNumber),
            ("Source", details.MediaSource ?? body.Vm),
            ("Category before", details.CategoryBefore),
            ("Category after", details.CategoryAfter),
            ("Destination", details.Destination));
    }

    private static string RunSection(CertificateBody body)
    {
        return List("Run",
            ("Started", Time(body.Started)),
            ("Finished", Time(body.Finished) + (body.Interruptions > 0 ? $", after {body.Interruptions} interruptions" : string.Empty)),
            ("Afterwards", body.After switch { AfterWipe.Delete => "renamed and deleted", AfterWipe.Trim => "blocks given back", _ => "kept" }),
            ("Tool", $"{body.Tool} on {body.Host} ({body.OperatingSystem})"),
            ("Operator", body.Operator));
    }

    private static string PassSection(CertificateBody body)
    {
        if (body.Passes.Count == 0)
        {
            return string.Empty;
        }

        if (body.Passes.Count <= FewPasses)
        {
            return "<h2>Passes</h2>" + PassTable(body.Passes, few: true);
        }

        int half = (body.Passes.Count + 1) / 2;
        return $"<h2>Passes</h2><div class=\"columns\">{PassTable(body.Passes.Take(half), few: false)}{PassTable(body.Passes.Skip(half), few: false)}</div>\n";
    }

    private static string PassTable(IEnumerable<BodyPass> passes, bool few)
    {
        string started = few ? "<th>Started</th>" : string.Empty;
        IEnumerable<string> rows = passes.Select(pass =>
            $"<tr><td class=\"number\">{pass.Number}</td><td>{Text(pass.Content)}</td>{(few ? $"<td>{Time(pass.Started)}</td>" : string.Empty)}"
            + $"<td class=\"number\">{Bytes(pass.WrittenBytes)}</td><td class=\"number\">{Duration(pass.WriteMs)}</td><td class=\"number\">{Rate(pass.WrittenBytes, pass.WriteMs)}</td>"
            + $"<td class=\"number\">{(pass.VerifiedBytes > 0 ? Bytes(pass.VerifiedBytes) : "–")}</td></tr>");
        return $"<table{(few ? string.Empty : " class=\"many\"")}><tr><th class=\"number\">No.</th><th>Content</th>{started}<th class=\"number\">Written</th>"
            + $"<th class=\"number\">Time</th><th class=\"number\">Rate</th><th class=\"number\">Verified</th></tr>{string.Concat(rows)}</table>\n";
    }

    private static string MapSection(CertificateBody body)
    {
        var drawing = new StringBuilder("<h2>Map of the medium</h2>");
        drawing.Append(CellMap.Draw(body.Map, "The medium from its start to its end, by state", (first, count) => string.Concat(
            Enumerable.Range(first, count).Select(CellMap.Place).Select(place => string.Create(CultureInfo.InvariantCulture,
                $"<rect x=\"{place.X}\" y=\"{place.Y}\" width=\"9.4\" height=\"9.4\" fill=\"{Colour(body.Map[first])}\"/>")))));
        drawing.Append("<div class=\"legend\">");
        foreach ((char state, string words) in new[]
        {
            (DiskMap.Erased, "overwritten"), (DiskMap.Exception, "exception"), (DiskMap.Untouched, "not overwritten"), (DiskMap.Hole, "nothing stored"),
        })
        {
            drawing.Append(CultureInfo.InvariantCulture, $"<span><i style=\"background:{Colour(state)}\"></i>{words}</span>");
        }

        return drawing.Append("</div>\n").ToString();
    }

    private static string FindingSection(CertificateBody body)
    {
        IEnumerable<string> items = body.Findings.Take(MaxFindings).Select(finding =>
            $"<li>{(finding.Weight == FindingWeight.Note ? string.Empty : $"<span class=\"weight\">{finding.Weight}:</span> ")}{Text(finding.Text)}</li>");
        string more = body.Findings.Count > MaxFindings ? $"<li>and {body.Findings.Count - MaxFindings} more, in the data of this certificate</li>" : string.Empty;
        return body.Findings.Count == 0 ? string.Empty : $"<h2>Exceptions, and what was not covered</h2><ul>{string.Concat(items)}{more}</ul>\n";
    }

    private static string PeopleSection(CertificateBody body)
    {
        string Person(string role, CertificatePerson? person)
        {
            string[] words = [.. new[] { person?.Name, person?.Title, person?.Phone, body.Details.Location }.OfType<string>().Select(Text)];
            return $"<div><div class=\"line\"></div>{role}{(words.Length > 0 ? ": " + string.Join(", ", words) : string.Empty)} · date, signature</div>";
        }

        string notes = body.Details.Notes is { } text ? $"<h2>Notes</h2>{Text(text)}" : string.Empty;
        return $"{notes}<div class=\"people\">{Person("Sanitised by", body.Details.Sanitizer)}{Person("Verified by", body.Details.Verifier)}</div>\n";
    }

    private static string Footer(WipeCertificate certificate)
    {
        string audit = certificate.Body.Audit is { } entry ? $"Audit entry {entry.Sequence}: <code>{Text(entry.Hash)}</code><br>" : string.Empty;
        return $"<footer>{audit}Signed with {CertificateSigner.Algorithm}, key <code>{certificate.SignerFingerprint}</code>. "
            + "This file carries its data and the signature: <code>Test-WipeCertificate</code> checks them on any machine. "
            + "It says what was done and what was not covered, and makes no statement about conformity with a standard or law.</footer>\n";
    }

    private static string Nature(StorageNature? nature) => nature switch
    {
        StorageNature.InPlace => "overwrites in place",
        StorageNature.DataJournal => "journals data",
        StorageNature.CopyOnWrite => "copies on write",
        StorageNature.Network => "on other machines",
        StorageNature.Memory => "in memory",
        StorageNature.Layered => "over another file system",
        _ => "nature not known",
    };

    private static string Colour(char state) => state switch
    {
        DiskMap.Erased => "#3d9a6c",
        DiskMap.Exception => "#d9822b",
        DiskMap.Untouched => "#c23b32",
        _ => "#e3e7ec",
    };

    private static string Rate(long bytes, long milliseconds) => milliseconds > 0 ? $"{bytes / 1e6 / (milliseconds / 1000.0):0} MB/s" : "–";
}
