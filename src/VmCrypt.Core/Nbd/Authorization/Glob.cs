using System.Text;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>GLib's simple patterns, which QEMU uses: <c>*</c> is any text, <c>?</c> is one character, and there is no escape.</summary>
internal static class Glob
{
    public static bool Matches(string pattern, string text)
    {
        Rune[] wanted = [.. pattern.EnumerateRunes()];
        Rune[] given = [.. text.EnumerateRunes()];
        int at = 0;
        int star = -1;
        int starAt = 0;
        for (int i = 0; i < given.Length;)
        {
            if (at < wanted.Length && wanted[at] == new Rune('*'))
            {
                (star, starAt) = (at++, i);
            }
            else if (at < wanted.Length && (wanted[at] == new Rune('?') || wanted[at] == given[i]))
            {
                at++;
                i++;
            }
            else if (star >= 0)
            {
                // The last star takes one character more; earlier ones need not be tried again.
                at = star + 1;
                i = ++starAt;
            }
            else
            {
                return false;
            }
        }

        return wanted.AsSpan(at).TrimStart(new Rune('*')).IsEmpty;
    }
}
