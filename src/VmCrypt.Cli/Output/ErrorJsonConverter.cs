using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Output;

/// <summary>An error that is part of an object: its id and its sentence.</summary>
internal sealed class ErrorJsonConverter : JsonConverter<VmCryptException>
{
    public override VmCryptException Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Errors are printed, never read back.");

    public override void Write(Utf8JsonWriter writer, VmCryptException value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteString(nameof(value.ErrorId), value.ErrorId);
        writer.WriteString(nameof(value.Message), value.Message);
        writer.WriteEndObject();
    }
}
